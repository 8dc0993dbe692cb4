// SPDX-License-Identifier: GPL-2.0

//! `make series`: the whole change as patches to mail. The patches of the
//! checkout are a part of it; our own files become patches that add them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::fetch::source;
use crate::lab::Lab;
use crate::scratch::Scratch;
use crate::tree::change;
use crate::tree::patches;
use crate::{cache, run, ui};

/// Patches that add files: the folders, the subject, and the text. Those of
/// the first part come before the checkout's patches, which begin to use them.
const BEFORE: &[Addition] = &[
    Addition {
        folders: &["rust", "fs", "include"],
        subject: "rust: fs: add the id mappings of mounts",
        text: "Ids, maps and the idmapped mount's object in Rust, with their tests. Nothing\nbuilds them yet.",
    },
    Addition {
        folders: &["samples"],
        subject: "samples: rust: add a filesystem that can be idmapped",
        text: "Written in safe Rust only, on the abstractions of the kernel crate.",
    },
];
const AFTER: &[Addition] = &[
    Addition {
        folders: &["tools/testing"],
        subject: "selftests: rust_idmap: add tests of idmapped mounts",
        text: "What users see of the id mappings of mounts, on either implementation.",
    },
    Addition {
        folders: &["scripts/coccinelle"],
        subject: "coccinelle: fs: find filesystems that do not use the idmap of a mount",
        text: "Five rules find raw owners, dropped idmaps and missing checks of the caller.",
    },
    Addition {
        folders: &["Documentation"],
        subject: "docs: filesystems: describe the id mappings of mounts in Rust",
        text: "What they are, their layers, and how to build them into a kernel.",
    },
];

/// A patch that adds files.
struct Addition {
    folders: &'static [&'static str],
    subject: &'static str,
    text: &'static str,
}

/// Writes the patches to a folder.
pub(crate) fn write(lab: &Lab, out: Option<PathBuf>) -> Result<()> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    crate::fetch::tools::ensure_installed(lab)?;
    let source = source::get(lab)?;
    let work = lab.cache.path("run");
    let release = (source.version.as_str(), source.series.as_str());
    let change = change::compute(&lab.checkout, &source.path, release, false, &work)?;

    let scratch = Scratch::below(&work)?;
    let repository = Repository::new(lab, scratch.path())?;
    for (path, wanted) in &change {
        let ours = wanted.as_ref().is_some_and(|wanted| wanted.ours);
        if !ours && source.path.join(path).exists() {
            repository.copy(&source.path, path)?;
        }
    }
    repository.commit(&format!("Linux {}", source.version))?;
    repository.git(&["tag", "base"])?;

    repository.add(&change, BEFORE)?;
    for patch in patches::series(&lab.checkout, &source.series)? {
        let path = patch.path.display().to_string();
        let what = || format!("{} is no patch that git am takes", patch.name);
        repository.git(&["am", "-q", &path]).with_context(what)?;
    }
    repository.add(&change, AFTER)?;

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
    let folder = out.display().to_string();
    let listed = repository.git(&["format-patch", "-q", "-N", "-n", "-o", &folder, "base"])?;
    let count = fs::read_dir(&out)?.count();
    ensure!(count > 0, "git format-patch wrote nothing: {listed}");
    ui::say(format!(
        "{count} patches on Linux {} in {folder}",
        source.version
    ));
    Ok(())
}

/// A repository with nothing in it but the files that change.
struct Repository<'a> {
    folder: &'a Path,
    author: [(String, String); 2],
}

impl<'a> Repository<'a> {
    /// Makes it, with the author whom git knows in the checkout.
    fn new(lab: &Lab, folder: &'a Path) -> Result<Self> {
        let known = |key: &str| -> Result<(String, String)> {
            let mut git = run::command("git");
            git.arg("-C").arg(&lab.checkout).args(["config", key]);
            let value = run::output(&mut git).with_context(|| {
                format!("git does not know who you are: git config {key} '...'")
            })?;
            Ok((key.to_owned(), value.trim().to_owned()))
        };
        let repository = Self {
            folder,
            author: [known("user.name")?, known("user.email")?],
        };
        repository.git(&["init", "-q"])?;
        Ok(repository)
    }

    /// Runs git in the repository.
    fn git(&self, arguments: &[&str]) -> Result<String> {
        let mut git: Command = run::command("git");
        git.arg("-C").arg(self.folder);
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
        let to = self.folder.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from.join(path), to).with_context(|| format!("cannot copy {}", path.display()))?;
        Ok(())
    }

    fn commit(&self, message: &str) -> Result<()> {
        self.git(&["add", "-A", "-f"])?;
        self.git(&["commit", "-q", "--allow-empty", "-s", "-m", message])?;
        Ok(())
    }

    /// Commits our own files below the folders of each addition.
    fn add(&self, change: &change::Change, additions: &[Addition]) -> Result<()> {
        for addition in additions {
            let mut any = false;
            for (path, wanted) in change {
                let within = addition
                    .folders
                    .iter()
                    .any(|folder| path.starts_with(folder));
                if let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.ours && within) {
                    wanted.write(&self.folder.join(path))?;
                    any = true;
                }
            }
            if any {
                self.commit(&format!("{}\n\n{}", addition.subject, addition.text))?;
            }
        }
        Ok(())
    }
}
