// SPDX-License-Identifier: GPL-2.0

//! The patches: their list, the files that they change, and their application.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::run;

/// One patch.
pub(crate) struct Patch {
    /// The path in the checkout.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    text: String,
    /// The number of context lines that may differ (`patch --fuzz`).
    fuzz: u8,
}

/// The patches for a series, in order: those for all, and those in a directory
/// named like the series, of which one takes the place of another of its name.
pub(crate) fn series(checkout: &Path, series: &str) -> Result<Vec<Patch>> {
    let mut names = BTreeSet::new();
    for dir in ["patches".to_owned(), format!("patches/{series}")] {
        for entry in fs::read_dir(checkout.join(dir)).into_iter().flatten() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".patch") {
                names.insert(name);
            }
        }
    }
    let read = |name: String| {
        let own = format!("patches/{series}/{name}");
        let name = if checkout.join(&own).exists() {
            own
        } else {
            format!("patches/{name}")
        };
        let path = checkout.join(&name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        Ok(Patch {
            name,
            path,
            text,
            fuzz: 0,
        })
    };
    names.into_iter().map(read).collect()
}

/// The fixes of Linux, in order. They apply to Linux without the series, which may change their
/// context lines.
pub(crate) fn fixes(checkout: &Path) -> Result<Vec<Patch>> {
    of_dir(checkout, "patches/fixes")
}

/// The steps of the port of a filesystem, in order. The last one is applied after any of the
/// others.
pub(crate) fn port(checkout: &Path, filesystem: &str) -> Result<Vec<Patch>> {
    of_dir(checkout, &format!("patches/ports/{filesystem}"))
}

/// The patches in a directory, in order, which are made for Linux as it is.
fn of_dir(checkout: &Path, dir: &str) -> Result<Vec<Patch>> {
    let failed = || format!("cannot read {dir}");
    let mut patches = Vec::new();
    for entry in fs::read_dir(checkout.join(dir)).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{dir}/{file}");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        patches.push(Patch {
            name,
            path,
            text,
            fuzz: 1,
        });
    }
    patches.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(patches)
}

impl Patch {
    /// The files that it changes, makes or removes.
    pub(crate) fn touches(&self) -> Result<BTreeSet<PathBuf>> {
        let files = touched(&self.text);
        if files.is_empty() {
            bail!("{} changes no file", self.name);
        }
        for file in &files {
            let safe = file
                .components()
                .all(|part| matches!(part, std::path::Component::Normal(_)));
            if !safe {
                bail!(
                    "{} changes a file outside of the tree: {}",
                    self.name,
                    file.display()
                );
            }
        }
        Ok(files)
    }

    /// Applies it to the files below a directory: lines may have moved, but those
    /// around a change must be as the patch has them, unless it is a fix.
    pub(crate) fn apply(&self, dir: &Path, version: &str) -> Result<()> {
        let mut patch = run::command("patch");
        patch
            .args([
                "-p1",
                "--force",
                "--no-backup-if-mismatch",
                "--reject-file=-",
            ])
            .arg(format!("--fuzz={}", self.fuzz))
            .arg("--directory")
            .arg(dir)
            .arg("--input")
            .arg(&self.path);
        let output = run::finished(&mut patch)?;
        if output.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        bail!(
            "{} does not fit Linux {version}: {}",
            self.name,
            misfit(&self.text, &printed)
        )
    }
}

/// The files named in the headers of a patch.
fn touched(text: &str) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(old) = line.strip_prefix("--- ") else {
            continue;
        };
        let Some(new) = lines.peek().and_then(|line| line.strip_prefix("+++ ")) else {
            continue;
        };
        for name in [old, new] {
            let name = name.split('\t').next().unwrap_or(name).trim_end();
            if let Some((_, path)) = name.split_once('/').filter(|_| name != "/dev/null") {
                files.insert(PathBuf::from(path));
            }
        }
    }
    files
}

/// Returns the error of patch(1) in one line: the file and the hunk that does not apply.
fn misfit(text: &str, output: &str) -> String {
    let mut file = "";
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("patching file ") {
            file = name.trim_matches('\'');
        } else if let Some(rest) = line.strip_prefix("Hunk #") {
            let number = rest.split(' ').next().unwrap_or_default();
            if rest.contains("FAILED") {
                let header = number.parse().ok().and_then(|n| hunk(text, file, n));
                let header = header.map_or_else(String::new, |header| format!(" ({header})"));
                return format!("hunk {number} of {file}{header}");
            }
        } else if line.starts_with("can't find file to patch") {
            return "a file that it changes is not there".to_owned();
        }
    }
    output.trim().to_owned()
}

/// The header of the `number`th hunk of a file.
fn hunk<'a>(text: &'a str, file: &str, number: usize) -> Option<&'a str> {
    let mut lines = text.lines();
    lines.find(|line| line.strip_prefix("+++ b/").is_some_and(|name| name == file))?;
    lines
        .take_while(|line| !line.starts_with("diff --git "))
        .filter(|line| line.starts_with("@@ "))
        .nth(number.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const PATCH: &str = "\
From: Somebody
Subject: [PATCH] two files

--- a line that is no header
---
 fs/Makefile | 2 +-

diff --git a/fs/Makefile b/fs/Makefile
--- a/fs/Makefile
+++ b/fs/Makefile
@@ -1,3 +1,3 @@ first
 one
-two
+TWO
 three
@@ -11,3 +11,3 @@ second
 a
-b
+B
 c
diff --git a/new.c b/new.c
new file mode 100644
--- /dev/null
+++ b/new.c
@@ -0,0 +1 @@
+int x;
";

    fn patch(dir: &Path) -> Patch {
        let path = dir.join("1.patch");
        fs::write(&path, PATCH).unwrap();
        Patch {
            name: "patches/1.patch".into(),
            path,
            text: PATCH.into(),
            fuzz: 0,
        }
    }

    #[test]
    fn headers_name_the_files() {
        let files: Vec<_> = touched(PATCH).into_iter().collect();
        assert_eq!(
            files,
            [PathBuf::from("fs/Makefile"), PathBuf::from("new.c")]
        );
    }

    #[test]
    fn a_patch_that_fits_is_applied() {
        let scratch = Scratch::new();
        let tree = scratch.path().join("tree");
        fs::create_dir_all(tree.join("fs")).unwrap();
        fs::write(tree.join("fs/Makefile"), "one\ntwo\nthree\na\nb\nc\n").unwrap();
        patch(scratch.path()).apply(&tree, "7.3.4").unwrap();
        let made = fs::read_to_string(tree.join("fs/Makefile")).unwrap();
        assert_eq!(made, "one\nTWO\nthree\na\nB\nc\n");
        assert!(tree.join("new.c").exists());
    }

    #[test]
    fn a_misfit_names_patch_file_hunk_and_version() {
        let scratch = Scratch::new();
        let tree = scratch.path().join("tree");
        fs::create_dir_all(tree.join("fs")).unwrap();
        fs::write(tree.join("fs/Makefile"), "one\ntwo\nthree\na\nx\nc\n").unwrap();
        let error = patch(scratch.path()).apply(&tree, "7.3.4").unwrap_err();
        assert_eq!(
            error.to_string(),
            "patches/1.patch does not fit Linux 7.3.4: \
             hunk 2 of fs/Makefile (@@ -11,3 +11,3 @@ second)"
        );
    }

    #[test]
    fn a_patch_may_not_leave_the_tree() {
        let scratch = Scratch::new();
        let mut patch = patch(scratch.path());
        patch.text = "--- a/../x\n+++ b/../x\n".into();
        assert!(patch.touches().unwrap_err().to_string().contains("outside"));
    }

    #[test]
    fn a_series_may_replace_a_patch() {
        let scratch = Scratch::new();
        let dir = scratch.path().join("patches/7.2");
        fs::create_dir_all(&dir).unwrap();
        for name in ["2.patch", "1.patch", "7.2/2.patch", "README"] {
            fs::write(dir.parent().unwrap().join(name), "").unwrap();
        }
        let names = |kernel: &str| -> Vec<String> {
            let found = series(scratch.path(), kernel).unwrap();
            found.into_iter().map(|patch| patch.name).collect()
        };
        assert_eq!(names("7.3"), ["patches/1.patch", "patches/2.patch"]);
        assert_eq!(names("7.2"), ["patches/1.patch", "patches/7.2/2.patch"]);
    }
}
