// SPDX-License-Identifier: GPL-2.0

//! The comments for kernel-doc in the C files that are patched or new.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::run;
use crate::tree::Tree;

/// Returns the warnings of `scripts/kernel-doc` that it does not print without the patches.
pub(super) fn kernel_doc(tree: &Tree) -> Result<String> {
    let files: Vec<&PathBuf> = tree
        .changed
        .iter()
        .filter(|path| path.extension().is_some_and(|is| is == "c" || is == "h"))
        .collect();
    let patched: Vec<&PathBuf> = files
        .iter()
        .copied()
        .filter(|path| tree.source.path.join(path).exists())
        .collect();
    let ours = warnings(&tree.path, &tree.path, &files)?;
    let stock = warnings(&tree.path, &tree.source.path, &patched)?;
    Ok(added(&ours, &stock))
}

/// Runs the script of a tree on files below a directory. Returns its warnings.
fn warnings(tree: &Path, dir: &Path, files: &[&PathBuf]) -> Result<String> {
    if files.is_empty() {
        return Ok(String::new());
    }
    let mut script = run::command(tree.join("scripts/kernel-doc"));
    script.current_dir(dir).arg("-none").args(files);
    let output = run::finished(&mut script)?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns the lines of `ours` that `stock` does not have on another line of the file.
fn added(ours: &str, stock: &str) -> String {
    let place_free = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "");
    let mut stock: Vec<String> = stock.lines().map(place_free).collect();
    let mut found = String::new();
    for line in ours.lines() {
        match stock.iter().position(|other| *other == place_free(line)) {
            Some(place) => drop(stock.swap_remove(place)),
            None => found.push_str(&format!("{line}\n")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_warnings_count() {
        let stock = "Warning: fs/a.c:12 no description of 'x'\n";
        let moved = "Warning: fs/a.c:15 no description of 'x'\n";
        assert_eq!(added(moved, stock), "");
        let twice = format!("{stock}{moved}");
        assert_eq!(added(&twice, stock), moved);
    }
}
