// SPDX-License-Identifier: GPL-2.0

//! Draws the pictures of `Documentation/filesystems/rust-idmapping-pictures.rst` from the table of
//! numbers in that document:
//!
//! ```text
//! pictures Documentation/filesystems
//! ```
//!
//! Each number of the table is computed from its maps with the kernel's code, and must be the one
//! in the table. The tests compare each picture with its file.

mod draw;
mod table;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

/// The document with the table.
const DOCUMENT: &str = "rust-idmapping-pictures.rst";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: pictures DIRECTORY, where {DOCUMENT} is");
        return ExitCode::FAILURE;
    };
    match draw_all(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pictures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Draws the pictures beside the document.
fn draw_all(directory: &Path) -> Result<()> {
    for row in read(directory)? {
        let path = directory.join(row.file());
        std::fs::write(&path, draw::picture(&row))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Reads the table of the document.
fn read(directory: &Path) -> Result<Vec<table::Row>> {
    let path = directory.join(DOCUMENT);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let rows = table::parse(&text).with_context(|| path.display().to_string())?;
    for row in &rows {
        let computed = row.computed()?;
        ensure!(
            row.ids == computed,
            "{}: row {} has {:?}, and its maps give {computed:?}",
            path.display(),
            row.name,
            row.ids
        );
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> &'static Path {
        Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../Documentation/filesystems"
        ))
    }

    #[test]
    fn numbers_follow_from_the_maps() {
        assert!(read(directory()).unwrap().len() >= 4);
    }

    #[test]
    fn pictures_are_those_of_the_table() {
        for row in read(directory()).unwrap() {
            let path = directory().join(row.file());
            let drawn = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                drawn == draw::picture(&row),
                "{} is out of date: run cargo run -p pictures Documentation/filesystems",
                path.display()
            );
        }
    }
}
