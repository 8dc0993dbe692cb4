// SPDX-License-Identifier: GPL-2.0

//! The documents, read by Sphinx with the configuration of the kernel.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::Skipped;
use crate::lab::Lab;
use crate::run;
use crate::scratch::Scratch;
use crate::tree::Tree;

/// The directory of the documents.
const DOCUMENTS: &str = "Documentation/filesystems";
/// The extensions of the kernel's configuration that the documents use. Others read the whole of
/// the kernel's documents.
const EXTENSIONS: &str = "extensions=kfigure,automarkup";
const PROGRAM: &str = "sphinx-build";

/// Returns the warnings of Sphinx about the documents of the checkout.
pub(super) fn sphinx(lab: &Lab, tree: &Tree) -> Result<String> {
    if !run::on_path(PROGRAM) {
        bail!(Skipped(format!(
            "no {PROGRAM}; Debian has it in python3-sphinx"
        )));
    }
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let configuration = tree.path.join("Documentation");
    warnings(
        &lab.checkout.join(DOCUMENTS),
        &configuration,
        scratch.path(),
    )
}

/// Reads the documents of a directory, as the pages of a book. Writes in `scratch` only.
fn warnings(documents: &Path, configuration: &Path, scratch: &Path) -> Result<String> {
    let pages = scratch.join(DOCUMENTS);
    fs::create_dir_all(&pages)?;
    // Sphinx reports paths without symbolic links.
    let pages = pages.canonicalize()?;
    let mut index = "Pages\n=====\n\n.. toctree::\n\n".to_owned();
    let mut count = 0;
    for entry in fs::read_dir(documents)? {
        let path = entry?.path();
        let (Some(name), Some(stem)) = (path.file_name(), path.file_stem()) else {
            continue;
        };
        fs::copy(&path, pages.join(name))?;
        if path.extension().is_some_and(|is| is == "rst") {
            index += &format!("   {}\n", stem.to_string_lossy());
            count += 1;
        }
    }
    ensure!(count > 0, "no documents in {}", documents.display());
    fs::write(pages.join("index.rst"), index)?;
    let mut sphinx = run::command(PROGRAM);
    sphinx
        .current_dir(scratch)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("srctree", configuration.with_file_name(""))
        .args(["-q", "-b", "dummy", "-D", EXTENSIONS, "-c"])
        .arg(configuration)
        .arg("-d")
        .arg(scratch.join("trees"))
        .arg(&pages)
        .arg(scratch.join("output"));
    let output = run::finished(&mut sphinx)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{PROGRAM} failed: {errors}");
    Ok(about(&errors, &pages))
}

/// Returns the warnings about the pages. Those about the machine name no page.
fn about(errors: &str, pages: &Path) -> String {
    let prefix = format!("{}/", pages.display());
    let lines = errors.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines
        .map(|line| format!("{DOCUMENTS}/{line}\n"))
        .collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_about_pages_count() {
        let errors = "WARNING: dot(1) not found\n\
                      /x/Documentation/filesystems/a.rst:3: WARNING: Title underline too short.\n\
                      \nSteps\n====\n";
        let found = about(errors, Path::new("/x/Documentation/filesystems"));
        assert_eq!(
            found,
            "Documentation/filesystems/a.rst:3: WARNING: Title underline too short.\n"
        );
    }
}
