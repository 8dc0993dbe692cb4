// SPDX-License-Identifier: GPL-2.0

//! The patched tree: hard links to the source, and the files of the project and
//! of the patches. A file with equal contents is not written, so kbuild compiles
//! only the files that depend on a change.

pub(crate) mod change;
pub(crate) mod patches;
pub(crate) mod series;
pub(crate) mod undo;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache;
use crate::fetch::source::{self, Source};
use crate::fetch::tools;
use crate::lab::Lab;
use crate::{digest, ui};
use change::{Change, Wanted};

/// Files that are no inputs of a kernel.
const NO_KERNEL: [&str; 3] = ["Documentation", "scripts/coccinelle", "tools/testing"];
/// The inputs of the kernel's programs.
const PROGRAMS: [&str; 2] = ["tools/testing", "include"];
/// The tests that are built with the tools.
const OWN_PROGRAM: &str = "tools/testing/selftests/rust_idmap";

/// A patched tree.
pub(crate) struct Tree {
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    /// The digest of the inputs of the kernel.
    pub(crate) digest: String,
    /// The digest of the inputs of programs: the tests and the headers.
    pub(crate) programs_digest: String,
    /// The files of the project and of the patches.
    pub(crate) changed: Vec<PathBuf>,
}

/// The inputs of a tree, which are stored in a file beside the tree.
#[derive(Default)]
struct State {
    /// The source, with its version.
    base: String,
    /// The files that are no links to the source.
    managed: BTreeSet<PathBuf>,
}

impl State {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        Self {
            base: lines.next().unwrap_or_default().to_owned(),
            managed: lines.map(PathBuf::from).collect(),
        }
    }

    fn write(&self, path: &Path) -> Result<()> {
        let mut text = format!("{}\n", self.base);
        for file in &self.managed {
            text.push_str(&format!("{}\n", file.display()));
        }
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Creates the tree: `make tree`.
pub(crate) fn get(lab: &Lab) -> Result<Tree> {
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    tools::ensure_installed(lab)?;
    make(lab)
}

/// Makes the tree, or brings it up to date. The caller must hold the lock.
pub(crate) fn make(lab: &Lab) -> Result<Tree> {
    let source = source::get(lab)?;
    let release = (source.version.as_str(), source.series.as_str());
    let change = change::compute(
        &lab.checkout,
        &source.path,
        release,
        lab.fixes,
        &lab.cache.path("run"),
    )?;

    place(lab, source, change)
}

/// Makes the tree of a source with a change. The caller must hold the lock.
pub(crate) fn place(lab: &Lab, source: Source, change: Change) -> Result<Tree> {
    let path = lab.cache.path(format!("tree/{}", source.key));
    let state_file = lab.cache.path(format!("tree/{}.state", source.key));
    let mut state = State::read(&state_file);
    let base = format!("{} {}", source.version, source.path.display());
    let mut prints = String::new();
    if state.base != base || source.changes || !path.is_dir() {
        if state.base != base && !state.base.is_empty() {
            // Another patch level: its files may be older than the objects
            // that were built from those of the last.
            cache::remove(&lab.cache.path(format!("build/{}", source.key)))?;
        }
        prints = ui::timed("kernel tree: linking the source", || {
            link(&source.path, &path, &state.managed)
        })?;
        state.base = base;
    }
    let before = std::mem::take(&mut state.managed);
    state.managed = before.iter().chain(change.keys()).cloned().collect();
    state.write(&state_file)?;
    let changed = update(&source.path, &path, &before, &change)?;
    state.managed = change.keys().cloned().collect();
    state.write(&state_file)?;
    if changed > 0 {
        ui::print(format!("kernel tree: {changed} files brought up to date"));
    }
    let made_from = |change: &Change| {
        digest::text(&format!(
            "{}\n{prints}{}",
            state.base,
            change::digest(change)
        ))
    };
    let part = |is_part: &dyn Fn(&Path) -> bool| {
        let mut part = change.clone();
        part.retain(|path, _| is_part(path));
        made_from(&part)
    };
    let digest = part(&|path| NO_KERNEL.iter().all(|dir| !path.starts_with(dir)));
    let programs_digest = part(&|path| {
        let of_programs = PROGRAMS.iter().any(|dir| path.starts_with(dir));
        of_programs && !path.starts_with(OWN_PROGRAM)
    });
    Ok(Tree {
        path,
        source,
        digest,
        programs_digest,
        changed: change.into_keys().collect(),
    })
}

/// Makes every file of the tree a link to the source's, but for the managed
/// ones, and removes the others. The answer names every file with its size and
/// time.
fn link(source: &Path, tree: &Path, managed: &BTreeSet<PathBuf>) -> Result<String> {
    fs::create_dir_all(tree)?;
    let mut prints = String::new();
    link_dir(source, tree, Path::new(""), managed, &mut prints)?;
    Ok(digest::text(&prints))
}

fn link_dir(
    source: &Path,
    tree: &Path,
    dir: &Path,
    managed: &BTreeSet<PathBuf>,
    prints: &mut String,
) -> Result<()> {
    let failed = |path: &Path| format!("cannot link {}", path.display());
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(source.join(dir)).with_context(|| failed(dir))? {
        let entry = entry?;
        names.insert(entry.file_name());
        let path = dir.join(entry.file_name());
        let to = tree.join(&path);
        let data = entry.metadata().with_context(|| failed(&path))?;
        let there = fs::symlink_metadata(&to).ok();
        if data.is_dir() {
            if there.is_some_and(|there| !there.is_dir()) {
                cache::remove(&to)?;
            }
            fs::create_dir_all(&to).with_context(|| failed(&path))?;
            link_dir(source, tree, &path, managed, prints)?;
            continue;
        }
        let time = (data.mtime(), data.mtime_nsec());
        prints.push_str(&format!("{} {} {time:?}\n", path.display(), data.size()));
        let same = there
            .as_ref()
            .is_some_and(|there| there.ino() == data.ino());
        if !same && !managed.contains(&path) {
            if there.is_some() {
                cache::remove(&to)?;
            }
            fs::hard_link(entry.path(), &to).with_context(|| failed(&path))?;
        }
    }
    for entry in fs::read_dir(tree.join(dir))? {
        let name = entry?.file_name();
        let path = dir.join(&name);
        let holds_managed = managed.iter().any(|file| file.starts_with(&path));
        if !names.contains(&name) && !holds_managed {
            cache::remove(&tree.join(path))?;
        }
    }
    Ok(())
}

/// Updates the managed files. Returns the number of updated files.
fn update(
    source: &Path,
    tree: &Path,
    before: &BTreeSet<PathBuf>,
    change: &Change,
) -> Result<usize> {
    let mut changed = 0;
    let gone = before.iter().filter(|path| !change.contains_key(*path));
    let restored = gone.map(|path| -> Result<_> {
        let original = source.join(path);
        let wanted = match original.exists() {
            // A copy has a new time, by which kbuild detects the change. A link has not.
            true => Some(Wanted::read(&original, false)?),
            false => None,
        };
        Ok((path.clone(), wanted))
    });
    let restored = restored.collect::<Result<Vec<_>>>()?;
    let all = restored
        .iter()
        .map(|(path, wanted)| (path, wanted))
        .chain(change);
    for (path, wanted) in all {
        let target = tree.join(path);
        match wanted {
            Some(wanted) if wanted.is_at(&target) => {}
            Some(wanted) => {
                wanted.write(&target)?;
                changed += 1;
            }
            None if fs::symlink_metadata(&target).is_err() => {}
            None => {
                cache::remove(&target)?;
                changed += 1;
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::change::tests::world;

    /// Makes the tree of the small world; the answer is how much changed.
    fn make(base: &Path, checkout: &Path, tree: &Path, managed: &mut BTreeSet<PathBuf>) -> usize {
        let work = base.with_extension("work");
        let change = change::compute(checkout, base, ("7.3.4", "7.3"), false, &work).unwrap();
        link(base, tree, managed).unwrap();
        let changed = update(base, tree, managed, &change).unwrap();
        *managed = change.keys().cloned().collect();
        changed
    }

    #[test]
    fn only_what_changed_is_written_and_the_source_never() {
        let (scratch, base, checkout) = world();
        let tree = scratch.path().join("tree");
        let mut managed = BTreeSet::new();
        assert_eq!(make(&base, &checkout, &tree, &mut managed), 3);
        let time = |name: &str| fs::metadata(tree.join(name)).unwrap().modified().unwrap();
        let before = (time("rust/kernel/new.rs"), time("fs/Makefile"));
        assert_eq!(make(&base, &checkout, &tree, &mut managed), 0);
        assert_eq!(before, (time("rust/kernel/new.rs"), time("fs/Makefile")));
        assert!(!tree.join("fs/old.c").exists());

        let original = fs::read_to_string(base.join("fs/Makefile")).unwrap();
        assert_eq!(original, "obj-y += a.o\nobj-y += b.o\n");
        let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
        assert_eq!(
            inode(base.join("init/main.c")),
            inode(tree.join("init/main.c"))
        );
    }

    #[test]
    fn what_is_no_longer_changed_is_as_in_the_source_but_newer() {
        let (scratch, base, checkout) = world();
        let tree = scratch.path().join("tree");
        let mut managed = BTreeSet::new();
        make(&base, &checkout, &tree, &mut managed);
        fs::remove_dir_all(checkout.join("patches")).unwrap();
        fs::remove_dir_all(checkout.join("rust")).unwrap();
        assert_eq!(make(&base, &checkout, &tree, &mut managed), 3);
        let read = |root: &Path| fs::read(root.join("fs/Makefile")).unwrap();
        assert_eq!(read(&tree), read(&base));
        assert!(tree.join("fs/old.c").exists());
        assert!(!tree.join("rust/kernel/new.rs").exists());
        let time = |root: &Path| {
            fs::metadata(root.join("fs/Makefile"))
                .unwrap()
                .modified()
                .unwrap()
        };
        assert!(time(&tree) >= time(&base));
    }

    #[test]
    fn a_change_of_the_source_reaches_the_tree() {
        let (scratch, base, checkout) = world();
        let tree = scratch.path().join("tree");
        let mut managed = BTreeSet::new();
        make(&base, &checkout, &tree, &mut managed);
        fs::remove_file(base.join("init/main.c")).unwrap();
        fs::write(base.join("init/other.c"), "other\n").unwrap();
        make(&base, &checkout, &tree, &mut managed);
        assert!(!tree.join("init/main.c").exists());
        assert!(tree.join("init/other.c").exists());
        assert!(tree.join("rust/kernel/new.rs").exists());
    }
}
