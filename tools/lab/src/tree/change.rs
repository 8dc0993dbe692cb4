// SPDX-License-Identifier: GPL-2.0

//! The change of this project to a kernel tree: the files that it adds, and the
//! files that its patches change. The change is computed before a file is
//! written, so a patch that does not apply leaves the tree as it is.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::digest;
use crate::scratch::Scratch;
use crate::tree::patches;

/// The directories of the checkout that mirror the kernel's.
pub(crate) const MIRRORED: [&str; 7] = [
    "rust",
    "fs",
    "include",
    "samples",
    "scripts/coccinelle",
    "Documentation",
    "tools/testing",
];
/// The suffixes of files that editors, patch(1) and compilers leave.
const LEFTOVERS: [&str; 6] = ["~", ".orig", ".rej", ".swp", ".o", ".ko"];

/// The intended contents of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) contents: Vec<u8>,
    /// The permission bits.
    pub(crate) mode: u32,
    /// Whether the project adds the file. Otherwise a patch changes it.
    pub(crate) ours: bool,
}

impl Wanted {
    /// Reads a file.
    pub(crate) fn read(path: &Path, ours: bool) -> Result<Self> {
        let failed = || format!("cannot read {}", path.display());
        let contents = fs::read(path).with_context(failed)?;
        let mut mode = fs::metadata(path)
            .with_context(failed)?
            .permissions()
            .mode()
            & 0o777;
        if ours {
            // The mode in a checkout depends on the user's umask.
            mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
        }
        Ok(Self {
            contents,
            mode,
            ours,
        })
    }

    /// Returns whether the file at a path has these contents and this mode.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        Self::read(path, self.ours).is_ok_and(|there| there == *self)
    }

    /// Replaces the file at a path by a rename, so a hard link to the old file stays.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let failed = || format!("cannot write {}", path.display());
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(failed)?;
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new-by-lab");
        let new = path.with_file_name(name);
        fs::write(&new, &self.contents)
            .and_then(|()| fs::set_permissions(&new, fs::Permissions::from_mode(self.mode)))
            .and_then(|()| fs::rename(&new, path))
            .with_context(|| {
                let _ = fs::remove_file(&new);
                failed()
            })
    }
}

/// The files of a change. `None` is a file to remove.
pub(crate) type Change = BTreeMap<PathBuf, Option<Wanted>>;

/// Computes the change for the kernel tree at `base`, in a directory in `work`. With `fixes`, the
/// change contains the fixes of Linux.
pub(crate) fn compute(
    checkout: &Path,
    base: &Path,
    (version, series): (&str, &str),
    fixes: bool,
    work: &Path,
) -> Result<Change> {
    let mut change = overlay(checkout)?;
    for path in change.keys() {
        ensure!(
            !base.join(path).exists(),
            "{} is there in Linux {version} already: a change to it belongs into patches/",
            path.display()
        );
    }
    let scratch = Scratch::below(work)?;
    let mut series = patches::series(checkout, series)?;
    if fixes {
        series.extend(patches::fixes(checkout)?);
    }
    let mut touched = Vec::new();
    for patch in &series {
        for path in patch.touches()? {
            ensure!(
                !change.contains_key(&path),
                "{} changes {}, which is in the checkout itself: change it there",
                patch.name,
                path.display()
            );
            let copy = scratch.path().join(&path);
            if !touched.contains(&path) {
                if let Some(dir) = copy.parent() {
                    fs::create_dir_all(dir)?;
                }
                if base.join(&path).exists() {
                    fs::copy(base.join(&path), &copy)
                        .with_context(|| format!("cannot copy {}", path.display()))?;
                }
                touched.push(path);
            }
        }
        patch.apply(scratch.path(), version)?;
    }
    for path in touched {
        let made = scratch.path().join(&path);
        let wanted = match made.exists() {
            true => Some(Wanted::read(&made, false)?),
            false => None,
        };
        change.insert(path, wanted);
    }
    Ok(change)
}

/// The files that the checkout adds.
fn overlay(checkout: &Path) -> Result<Change> {
    let mut change = Change::new();
    for dir in MIRRORED {
        let dir = PathBuf::from(dir);
        if checkout.join(&dir).is_dir() {
            collect(checkout, &dir, &mut change)?;
        }
    }
    Ok(change)
}

/// Adds the files below a directory.
fn collect(checkout: &Path, dir: &Path, change: &mut Change) -> Result<()> {
    let failed = || format!("cannot read {}", dir.display());
    for entry in fs::read_dir(checkout.join(dir)).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name();
        let path = dir.join(&name);
        let kind = entry.file_type().with_context(failed)?;
        let name = name.to_string_lossy();
        if LEFTOVERS.iter().any(|ending| name.ends_with(ending)) {
            continue;
        }
        if kind.is_dir() {
            collect(checkout, &path, change)?;
        } else if kind.is_file() {
            let wanted = Wanted::read(&entry.path(), true)?;
            change.insert(path, Some(wanted));
        } else {
            bail!("{} is neither a file nor a directory", path.display());
        }
    }
    Ok(())
}

/// Returns a digest of the change.
pub(crate) fn digest(change: &Change) -> String {
    let mut text = String::new();
    for (path, wanted) in change {
        let state = match wanted {
            Some(wanted) => digest::bytes(&wanted.contents) + &format!(" {:o}", wanted.mode),
            None => "removed".to_owned(),
        };
        text.push_str(&format!("{state} {}\n", path.display()));
    }
    digest::text(&text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small kernel tree and a checkout that changes it.
    pub(crate) fn world() -> (Scratch, PathBuf, PathBuf) {
        let scratch = Scratch::new();
        let base = scratch.path().join("base");
        let checkout = scratch.path().join("checkout");
        let write = |path: PathBuf, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(base.join("fs/Makefile"), "obj-y += a.o\nobj-y += b.o\n");
        write(base.join("fs/old.c"), "old\n");
        write(base.join("init/main.c"), "main\n");
        write(
            base.join("Makefile"),
            "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n",
        );
        write(checkout.join("rust/kernel/new.rs"), "// new\n");
        write(checkout.join("rust/kernel/new.rs~"), "// leftover\n");
        write(checkout.join("tools/lab/main.rs"), "// not the kernel's\n");
        write(
            checkout.join("patches/0001-a.patch"),
            "diff --git a/fs/Makefile b/fs/Makefile\n--- a/fs/Makefile\n+++ b/fs/Makefile\n\
             @@ -1,2 +1,3 @@\n obj-y += a.o\n+obj-y += new.o\n obj-y += b.o\n\
             diff --git a/fs/old.c b/fs/old.c\ndeleted file mode 100644\n--- a/fs/old.c\n\
             +++ /dev/null\n@@ -1 +0,0 @@\n-old\n",
        );
        write(
            checkout.join("patches/0002-b.patch"),
            "diff --git a/fs/Makefile b/fs/Makefile\n--- a/fs/Makefile\n+++ b/fs/Makefile\n\
             @@ -1,3 +1,3 @@\n obj-y += a.o\n-obj-y += new.o\n+obj-m += new.o\n obj-y += b.o\n",
        );
        (scratch, base, checkout)
    }

    #[test]
    fn patches_build_on_each_other() {
        let (_scratch, base, checkout) = world();
        let change = compute(
            &checkout,
            &base,
            ("7.3.4", "7.3"),
            false,
            &base.with_extension("work"),
        )
        .unwrap();
        let paths: Vec<_> = change.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(paths, ["fs/Makefile", "fs/old.c", "rust/kernel/new.rs"]);
        let makefile = change[Path::new("fs/Makefile")].as_ref().unwrap();
        assert_eq!(
            makefile.contents,
            b"obj-y += a.o\nobj-m += new.o\nobj-y += b.o\n"
        );
        assert_eq!(change[Path::new("fs/old.c")], None);
        assert!(base.join("fs/old.c").exists(), "the base is not changed");
    }

    #[test]
    fn a_file_of_the_kernel_cannot_be_overlaid() {
        let (_scratch, base, checkout) = world();
        fs::create_dir_all(checkout.join("fs")).unwrap();
        fs::write(checkout.join("fs/Makefile"), "").unwrap();
        let error = compute(
            &checkout,
            &base,
            ("7.3.4", "7.3"),
            false,
            &base.with_extension("work"),
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("fs/Makefile is there in Linux 7.3.4")
        );
    }
}
