// SPDX-License-Identifier: GPL-2.0

//! `make apply` and `make unapply`: the change in a kernel tree of the user.
//!
//! A directory at the top of the tree has the data that `make unapply` needs: a
//! list of the added files, and hard links to the originals.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::source;
use crate::tree::change::{self, Change};
use crate::{cache, digest, run, ui};

/// The directory at the top of the user's tree. The .gitignore of the kernel
/// ignores names that begin with a dot.
pub(crate) const DIR: &str = ".rust-idmapping";

/// Applies the change to a tree.
pub(crate) fn apply(checkout: &Path, kdir: &Path, work: &Path) -> Result<()> {
    let (version, series) = source::version(kdir)?;
    let kept = kdir.join(DIR);
    ensure!(
        !kept.exists(),
        "{} has these changes already; make unapply KDIR={} takes them out",
        kdir.display(),
        kdir.display()
    );
    let change = change::compute(checkout, kdir, (&version, &series), false, work)?;
    let touched: Vec<&PathBuf> = change
        .keys()
        .filter(|path| kdir.join(path).exists())
        .collect();
    local_changes(kdir, &touched)?;

    // First everything that undoing needs, under a name that counts only when
    // it is complete.
    let partial = kdir.join(format!("{DIR}.partial"));
    cache::remove(&partial)?;
    let kept_whole = keep(kdir, &partial, &change)
        .and_then(|()| Ok(fs::rename(&partial, &kept)?))
        .with_context(|| format!("cannot keep the originals in {}", kept.display()));
    if kept_whole.is_err() {
        let _ = cache::remove(&partial);
    }
    kept_whole?;
    if let Err(error) = put(kdir, &change) {
        unapply(kdir).context("and then could not undo it")?;
        return Err(error.context("nothing was changed"));
    }
    ui::print(format!(
        "{} files of Linux {version} changed, {} added; make unapply KDIR={} takes them out",
        touched.len(),
        change.len() - touched.len(),
        kdir.display()
    ));
    Ok(())
}

/// Fails if files that the patches change differ from those in git.
fn local_changes(kdir: &Path, touched: &[&PathBuf]) -> Result<()> {
    if !kdir.join(".git").exists() || !run::on_path("git") || touched.is_empty() {
        return Ok(());
    }
    let mut git = run::command("git");
    git.arg("-C")
        .arg(kdir)
        .args(["status", "--porcelain", "--"])
        .args(touched);
    let changed = run::output(&mut git)?;
    ensure!(
        changed.is_empty(),
        "{} has changes of yours in files that the patches change; commit or stash them:\n{changed}",
        kdir.display()
    );
    Ok(())
}

/// Writes the list of the added files, and links the originals.
fn keep(kdir: &Path, dir: &Path, change: &Change) -> Result<()> {
    let mut list = String::new();
    let mut dirs = Vec::new();
    for (path, wanted) in change {
        let ours = match wanted {
            Some(wanted) => digest::bytes(&wanted.contents),
            None => "removed".to_owned(),
        };
        list.push_str(&format!("{ours} {}\n", path.display()));
        let original = kdir.join(path);
        if original.exists() {
            let link = dir.join("original").join(path);
            fs::create_dir_all(link.parent().unwrap_or(dir))?;
            fs::hard_link(&original, &link)?;
        }
        for above in path.ancestors().skip(1) {
            if !kdir.join(above).exists() && !dirs.iter().any(|known| known == above) {
                dirs.push(above.to_owned());
            }
        }
    }
    fs::create_dir_all(dir)?;
    fs::write(dir.join("files"), list)?;
    // The deepest first, so that each is empty when it is removed.
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.components().count()));
    let dirs: String = dirs
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    fs::write(dir.join("folders"), dirs)?;
    Ok(())
}

/// Writes each file of the change.
fn put(kdir: &Path, change: &Change) -> Result<()> {
    for (path, wanted) in change {
        match wanted {
            Some(wanted) => wanted.write(&kdir.join(path))?,
            None => cache::remove(&kdir.join(path))?,
        }
    }
    Ok(())
}

/// Reverts the change of a tree.
pub(crate) fn unapply(kdir: &Path) -> Result<()> {
    let kept = kdir.join(DIR);
    let Ok(list) = fs::read_to_string(kept.join("files")) else {
        bail!(
            "{} does not have these changes: no {DIR} in it",
            kdir.display()
        );
    };
    let original = |path: &Path| kept.join("original").join(path);
    let mut paths = Vec::new();
    for line in list.lines() {
        let (ours, path) = line
            .split_once(' ')
            .with_context(|| format!("{} is damaged: {line}", kept.join("files").display()))?;
        paths.push((ours, Path::new(path)));
    }
    let edited: Vec<String> = paths
        .iter()
        .filter(|(ours, path)| !untouched(&kdir.join(path), ours, &original(path)))
        .map(|(_, path)| path.display().to_string())
        .collect();
    ensure!(
        edited.is_empty(),
        "these files in {} were changed since, and your changes would be lost; \
         nothing was done: {}",
        kdir.display(),
        edited.join(" ")
    );
    for (_, path) in &paths {
        let target = kdir.join(path);
        let original = original(path);
        if original.exists() {
            fs::rename(&original, &target)
                .with_context(|| format!("cannot restore {}", path.display()))?;
        } else {
            cache::remove(&target)?;
        }
    }
    let dirs = fs::read_to_string(kept.join("folders")).unwrap_or_default();
    for dir in dirs.lines() {
        // A directory with files of the user stays.
        let _ = fs::remove_dir(kdir.join(dir));
    }
    cache::remove(&kept)?;
    ui::print(format!("{} files restored or removed", paths.len()));
    Ok(())
}

/// Returns whether a file has the contents of the change, or the original ones if
/// `make apply` was interrupted.
fn untouched(target: &Path, ours: &str, original: &Path) -> bool {
    let Ok(there) = fs::read(target) else {
        return ours == "removed" || !original.exists();
    };
    digest::bytes(&there) == ours || fs::read(original).is_ok_and(|original| original == there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::change::tests::world;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// Returns the attributes and the contents of each file in a directory.
    fn picture(dir: &Path) -> Vec<(PathBuf, u32, i64, i64, Vec<u8>)> {
        let mut all = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(next) = dirs.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let data = fs::metadata(&path).unwrap();
                let contents = match data.is_dir() {
                    true => Vec::new(),
                    false => fs::read(&path).unwrap(),
                };
                let time = match data.is_dir() {
                    true => (0, 0),
                    false => (data.mtime(), data.mtime_nsec()),
                };
                all.push((path.clone(), data.mode(), time.0, time.1, contents));
                if data.is_dir() {
                    dirs.push(path);
                }
            }
        }
        all.sort();
        all
    }

    #[test]
    fn undoing_leaves_the_tree_as_it_was() {
        let (_scratch, base, checkout) = world();
        let group = fs::Permissions::from_mode(0o664);
        fs::set_permissions(base.join("fs/Makefile"), group).unwrap();
        let before = picture(&base);
        let work = base.with_extension("work");
        apply(&checkout, &base, &work).unwrap();
        assert!(base.join("rust/kernel/new.rs").exists());
        assert!(!base.join("fs/old.c").exists());
        assert_ne!(picture(&base), before);
        let again = apply(&checkout, &base, &work).unwrap_err().to_string();
        assert!(again.contains("has these changes already"), "{again}");
        unapply(&base).unwrap();
        assert_eq!(picture(&base), before);
        assert!(
            unapply(&base)
                .unwrap_err()
                .to_string()
                .contains("does not have")
        );
    }

    #[test]
    fn a_patch_that_does_not_fit_changes_nothing() {
        let (_scratch, base, checkout) = world();
        fs::write(base.join("fs/old.c"), "other\n").unwrap();
        let before = picture(&base);
        let error = apply(&checkout, &base, &base.with_extension("work")).unwrap_err();
        assert!(
            error.to_string().contains("0001-a.patch does not fit"),
            "{error}"
        );
        assert_eq!(picture(&base), before);
    }

    #[test]
    fn later_changes_of_the_user_are_not_lost() {
        let (_scratch, base, checkout) = world();
        apply(&checkout, &base, &base.with_extension("work")).unwrap();
        fs::write(base.join("fs/Makefile"), "mine\n").unwrap();
        let before = picture(&base);
        let error = unapply(&base).unwrap_err().to_string();
        assert!(
            error.contains("changed since") && error.contains("fs/Makefile"),
            "{error}"
        );
        assert_eq!(picture(&base), before);
    }

    #[test]
    fn an_apply_that_was_stopped_can_be_undone() {
        let (_scratch, base, checkout) = world();
        let before = picture(&base);
        apply(&checkout, &base, &base.with_extension("work")).unwrap();
        // As after an interruption before these files.
        fs::remove_file(base.join("rust/kernel/new.rs")).unwrap();
        let original = base.join(DIR).join("original/fs/old.c");
        fs::hard_link(original, base.join("fs/old.c")).unwrap();
        unapply(&base).unwrap();
        assert_eq!(picture(&base), before);
    }
}
