// SPDX-License-Identifier: GPL-2.0

//! The documents for authors of filesystems: each shell block is run in a guest, and each search
//! that a step names must find something.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::guest::Program;
use super::report::{Case, Verdict};
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;
use crate::{run, tree};

/// The directory of the documents, and the prefix of their names.
const DOCUMENTS: &str = "Documentation/filesystems";
const PREFIX: &str = "rust-idmapping";
/// The line before a block that is run.
const BLOCK: &str = ".. code-block:: sh";
/// The text before the searches of a step.
const FIND: &str = ":find:";
/// The filesystem of the searches, and the directory that they search in its place.
const IN_RUST: (&str, &str) = ("toy.rs", "samples/rust rust/kernel/fs");
const IN_C: (&str, &str) = ("fs/toy", "fs");

/// A part of a document: its name and the text.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    name: String,
    text: String,
}

/// Runs all blocks and searches.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let tree = tree::get(lab)?;
    let (mut blocks, mut searches) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(lab.checkout.join(DOCUMENTS))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|is| is == "rst") && stem.starts_with(PREFIX) {
            let text = fs::read_to_string(&path)?;
            blocks.extend(find_blocks(&stem, &text));
            searches.extend(find_searches(&stem, &text));
        }
    }
    ensure!(
        !blocks.is_empty() && !searches.is_empty(),
        "no blocks or no searches in {DOCUMENTS}"
    );
    let mut cases = Vec::new();
    for search in searches {
        cases.push(Case::new(
            &search.name,
            try_search(&search.text, &tree.path)?,
        ));
    }
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let mut script = format!("echo 'TAP version 13'; echo 1..{};", blocks.len());
    for (number, block) in (1..).zip(&blocks) {
        let name = &block.name;
        fs::write(scratch.path().join(name), &block.text)?;
        script += &format!(
            " if unshare --mount sh -eux /share/{name} >/tmp/said 2>&1; \
             then echo 'ok {number} {name}'; \
             else sed 's/^/# /' /tmp/said; echo 'not ok {number} {name}'; fi;"
        );
    }
    let program = Program {
        share: Some(scratch.path().to_owned()),
        ..Program::new("book", &script)
    };
    cases.extend(program.run(lab, engine)?);
    Ok(cases)
}

/// The blocks of a document that are run.
fn find_blocks(stem: &str, text: &str) -> Vec<Part> {
    let mut blocks = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim() != BLOCK {
            continue;
        }
        let mut block = String::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| line.is_empty() || is_inner(line)) {
            block += &format!("{}\n", line.trim_start());
        }
        blocks.push(Part {
            name: format!("{stem}-{number}"),
            text: block,
        });
    }
    blocks
}

/// Whether a line is a part of the block or field above it.
fn is_inner(line: &str) -> bool {
    line.starts_with(' ')
}

/// The commands of a document's searches.
fn find_searches(stem: &str, text: &str) -> Vec<Part> {
    let mut searches = Vec::new();
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((number, line)) = lines.next() {
        let Some(rest) = line.strip_prefix(FIND) else {
            continue;
        };
        let mut field = rest.to_owned();
        while let Some((_, line)) = lines.next_if(|(_, line)| is_inner(line)) {
            field += &format!(" {}", line.trim_start());
        }
        let commands = field.split("``").skip(1).step_by(2);
        let commands = commands.filter(|command| command.contains("grep "));
        searches.extend(commands.map(|command| Part {
            name: format!("{stem}-{number}"),
            text: command.to_owned(),
        }));
    }
    searches
}

/// Runs a search in the kernel tree, in all filesystems instead of one.
fn try_search(command: &str, tree: &Path) -> Result<Verdict> {
    let found = [IN_RUST, IN_C]
        .into_iter()
        .find_map(|(name, place)| Some((command.strip_suffix(name)?, place)));
    let (search, place) =
        found.with_context(|| format!("{command}: does not end in {} or {}", IN_RUST.0, IN_C.0))?;
    let search = search.strip_prefix("git ").unwrap_or(search);
    let search = search.replacen("grep ", "grep -r ", 1);
    let mut shell = run::command("sh");
    shell
        .current_dir(tree)
        .args(["-c", &format!("{search}{place}")]);
    let output = run::finished(&mut shell)?;
    Ok(match output.status.success() {
        true => Verdict::Passed,
        false => Verdict::Failed(format!("{command}: finds nothing in {place}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_the_text_goes_on() {
        let text = "text\n\n.. code-block:: sh\n\n  a\n\n  b\n\ntext\n\n.. code-block:: c\n\n  c\n";
        let blocks = find_blocks("doc", text);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].name, "doc-3");
        assert_eq!(blocks[0].text, "\na\n\nb\n\n");
    }

    #[test]
    fn searches_are_the_commands_of_a_field() {
        let text = ":find: ``rule``; ``git grep -n 'a\\|b' fs/toy``\n:change: ``grep x``\n";
        let searches = find_searches("doc", text);
        let texts: Vec<_> = searches.iter().map(|part| &*part.text).collect();
        assert_eq!(texts, ["git grep -n 'a\\|b' fs/toy"]);
    }

    #[test]
    fn search_that_finds_nothing_fails() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.path().join("fs")).unwrap();
        fs::write(scratch.path().join("fs/a.c"), "needle\n").unwrap();
        let found = |command: &str| try_search(command, scratch.path());
        assert_eq!(
            found("git grep -n 'needle' fs/toy").unwrap(),
            Verdict::Passed
        );
        assert!(found("git grep -n 'thread' fs/toy").unwrap().is_failure());
        assert!(found("git grep -n 'needle' other").is_err());
    }
}
