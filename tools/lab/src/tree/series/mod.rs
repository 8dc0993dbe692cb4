// SPDX-License-Identifier: GPL-2.0

//! `make series`: the change as patches to mail. Some are the patches of the
//! checkout, and the others add the files of the project.

mod plan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::fetch::source::{self, Source};
use crate::lab::Lab;
use crate::scratch::Scratch;
use crate::tree::change::{self, Wanted};
use crate::tree::patches::{self, Patch};
use crate::{cache, run, ui};
use plan::{Addition, PLAN, Step};

/// The text of the cover letter. Its first line is the subject.
const COVER: &str = "patches/cover-letter.txt";
/// The placeholder for the sender.
const SENDER: &str = "SENDER <sender@example.org>";
/// The tag of the tools that have helped, see Documentation/process/coding-assistants.rst.
const ASSISTED: &str = "LLM";
/// The tag of the commit that the series begins with.
pub(crate) const BASE: &str = "base";

/// The people who send the series, and the tools that have helped.
#[derive(Default)]
pub(crate) struct Senders {
    /// "Name <address>".
    pub(crate) sender: Option<String>,
    pub(crate) assisted: Option<String>,
}

/// Writes the patches to a directory.
pub(crate) fn write(lab: &Lab, out: Option<PathBuf>, senders: &Senders) -> Result<()> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    crate::fetch::tools::ensure_installed(lab)?;
    let source = source::get(lab)?;
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let repository = Repository::of_series(lab, &source, scratch.path(), senders)?;

    let out = out.unwrap_or_else(|| lab.cache.path("series"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for entry in fs::read_dir(&out)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "patch")
        {
            cache::remove(&path)?;
        }
    }
    let out = out.canonicalize()?;
    let count = repository.format(lab, &out)?;
    ui::print(format!(
        "{count} patches on Linux {} in {}",
        source.version,
        out.display()
    ));
    if senders.sender.is_none() {
        ui::print(format!(
            "the sender is a placeholder, {SENDER}: make series SENDER='Name <address>' \
             ASSISTED='{ASSISTED} TOOL'"
        ));
    }
    Ok(())
}

/// A repository with nothing in it but the files that change, and a commit for each patch.
pub(crate) struct Repository<'a> {
    dir: &'a Path,
    author: [(&'static str, String); 2],
    /// The tags at the end of each message.
    tags: String,
}

impl<'a> Repository<'a> {
    /// Makes the commits in an empty directory.
    pub(crate) fn of_series(
        lab: &Lab,
        source: &Source,
        dir: &'a Path,
        senders: &Senders,
    ) -> Result<Self> {
        let sender = senders.sender.as_deref().unwrap_or(SENDER);
        let (name, address) = parse(sender)?;
        let assisted = senders.assisted.as_deref().unwrap_or(ASSISTED);
        let repository = Self {
            dir,
            author: [("user.name", name), ("user.email", address)],
            tags: format!("Assisted-by: {assisted}\nSigned-off-by: {sender}\n"),
        };
        repository.git(&["init", "-q"])?;
        let release = (source.version.as_str(), source.series.as_str());
        let work = lab.cache.path("run");
        let mut change = change::compute(&lab.checkout, &source.path, release, false, &work)?;
        for (path, wanted) in &change {
            let ours = wanted.as_ref().is_some_and(|wanted| wanted.ours);
            if !ours && source.path.join(path).exists() {
                repository.copy(&source.path, path)?;
            }
        }
        repository.git(&["add", "-A", "-f"])?;
        let message = format!("Linux {}", source.version);
        repository.git(&["commit", "-q", "--allow-empty", "-m", &message])?;
        repository.git(&["tag", BASE])?;

        let mut patches = patches::series(&lab.checkout, &source.series)?;
        for step in PLAN {
            match step {
                Step::Add(addition) => repository.add(&mut change, addition)?,
                Step::Patch(start) => {
                    let file = |patch: &Patch| patch.path.file_name().map(|name| name.to_owned());
                    let is_it = |patch: &Patch| {
                        file(patch).is_some_and(|name| name.to_string_lossy().starts_with(start))
                    };
                    // Not every series of kernels has all patches.
                    if let Some(index) = patches.iter().position(is_it) {
                        repository.apply(&patches.remove(index), sender)?;
                    }
                }
            }
        }
        let names: Vec<&str> = patches.iter().map(|patch| &*patch.name).collect();
        ensure!(
            names.is_empty(),
            "not in the plan of the series (tools/lab/src/tree/series/plan.rs): {}",
            names.join(" ")
        );
        let left = change.iter().filter(|(_, wanted)| is_ours(wanted.as_ref()));
        let left: Vec<String> = left.map(|(path, _)| path.display().to_string()).collect();
        ensure!(
            left.is_empty(),
            "in no step of the series (tools/lab/src/tree/series/plan.rs): {}",
            left.join(" ")
        );
        Ok(repository)
    }

    /// The commits, from the first to the last.
    pub(crate) fn commits(&self) -> Result<Vec<String>> {
        let listed = self.git(&["rev-list", "--reverse", &format!("{BASE}..HEAD")])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Writes the patches and the cover letter. Returns their number.
    pub(crate) fn format(&self, lab: &Lab, out: &Path) -> Result<usize> {
        let dir = out.display().to_string();
        self.git(&[
            "format-patch",
            "-q",
            "--cover-letter",
            "-n",
            "-o",
            &dir,
            BASE,
        ])?;
        let letter = out.join("0000-cover-letter.patch");
        let text = lab.checkout.join(COVER);
        let text =
            fs::read_to_string(&text).with_context(|| format!("cannot read {}", text.display()))?;
        let (subject, blurb) = text.split_once('\n').unwrap_or((&text, ""));
        let made = fs::read_to_string(&letter)?;
        let made = made
            .replace("*** SUBJECT HERE ***", subject)
            .replace("*** BLURB HERE ***", blurb.trim());
        fs::write(&letter, made)?;
        Ok(fs::read_dir(out)?.count())
    }

    /// Runs git in the repository.
    pub(crate) fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git: Command = run::command("git");
        git.arg("-C").arg(self.dir);
        for (key, value) in &self.author {
            git.arg("-c").arg(format!("{key}={value}"));
        }
        git.args([
            "-c",
            "commit.gpgsign=false",
            "-c",
            "core.hooksPath=/dev/null",
        ]);
        run::output(git.args(arguments))
    }

    fn copy(&self, from: &Path, path: &Path) -> Result<()> {
        let to = self.dir.join(path);
        if let Some(dir) = to.parent() {
            fs::create_dir_all(dir)?;
        }
        fs::copy(from.join(path), to).with_context(|| format!("cannot copy {}", path.display()))?;
        Ok(())
    }

    /// Commits our own files that an addition names, which are then no longer to be added.
    fn add(&self, change: &mut change::Change, addition: &Addition) -> Result<()> {
        let mut written = Vec::new();
        for (path, wanted) in change.iter() {
            let text = path.to_string_lossy();
            let within = addition.paths.iter().any(|start| text.starts_with(start));
            if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.ours && within) {
                wanted.write(&self.dir.join(path))?;
                written.push(path.clone());
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        written.iter().for_each(|path| drop(change.remove(path)));
        self.git(&["add", "-A", "-f"])?;
        let message = format!("{}\n\n{}\n\n{}", addition.subject, addition.text, self.tags);
        self.git(&["commit", "-q", "-m", &message]).map(drop)
    }

    /// Commits a patch of the checkout as one of the sender's.
    fn apply(&self, patch: &Patch, sender: &str) -> Result<()> {
        let path = patch.path.display().to_string();
        let failed = || format!("{} is no patch that git am takes", patch.name);
        self.git(&["am", "-q", &path]).with_context(failed)?;
        let message = self.git(&["log", "-1", "--format=%B"])?;
        let message = message
            .lines()
            .filter(|line| !line.starts_with("Signed-off-by: "));
        let message = message.collect::<Vec<_>>().join("\n");
        let message = format!("{}\n\n{}", message.trim_end(), self.tags);
        let entry = self.dir.join("MAINTAINERS");
        let text = fs::read_to_string(&entry).unwrap_or_default();
        if text.contains(SENDER) {
            fs::write(&entry, text.replace(SENDER, sender))?;
            self.git(&["add", "MAINTAINERS"])?;
        }
        let author = format!("--author={sender}");
        self.git(&["commit", "-q", "--amend", &author, "-m", &message])
            .map(drop)
    }
}

fn is_ours(wanted: Option<&Wanted>) -> bool {
    wanted.is_some_and(|wanted| wanted.ours)
}

/// Splits "Name <address>".
fn parse(sender: &str) -> Result<(String, String)> {
    let parts = sender
        .strip_suffix('>')
        .and_then(|rest| rest.split_once(" <"));
    let parts = parts.filter(|(name, address)| !name.is_empty() && address.contains('@'));
    let (name, address) =
        parts.with_context(|| format!("SENDER='{sender}': 'Name <address>' is needed"))?;
    Ok((name.to_owned(), address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_has_a_name_and_an_address() {
        let parts = parse("A B <a@b.org>").unwrap();
        assert_eq!(parts, ("A B".to_owned(), "a@b.org".to_owned()));
        for wrong in ["A B", "a@b.org", "A <a@b.org", "A <ab>", " <a@b>"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn subjects_fit_into_a_line() {
        for step in PLAN {
            if let Step::Add(Addition { subject, text, .. }) = step {
                assert!(subject.len() <= 75, "{subject}");
                assert!(text.lines().all(|line| line.len() <= 75), "{subject}");
            }
        }
    }
}
