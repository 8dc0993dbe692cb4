// SPDX-License-Identifier: GPL-2.0

//! SAFETY comments that do not state a claim.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::lab::Lab;

/// The start of comments that refer to a claim and do not state it.
const REFERENCES: [&str; 10] = [
    "As above",
    "As before",
    "As for",
    "By the function",
    "By the invariant",
    "By the requirement",
    "By the type invariant",
    "See above",
    "See the requirement",
    "The requirements are the same",
];
/// A comment with this start and more words also states a claim.
const WORDS: usize = 7;

/// Returns a line for each such comment in the files in Rust.
pub(super) fn safety(lab: &Lab, files: &[PathBuf]) -> Result<String> {
    let mut found = String::new();
    for path in files {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(lab.checkout.join(path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        for (line, comment) in bare(&text) {
            let path = path.display();
            found.push_str(&format!("{path}:{line}: no claim in 'SAFETY: {comment}'\n"));
        }
    }
    Ok(found)
}

/// Finds the comments without a claim, with the numbers of their lines.
fn bare(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().zip(1..).peekable();
    while let Some((line, number)) = lines.next() {
        let Some(first) = line.trim_start().strip_prefix("// SAFETY:") else {
            continue;
        };
        let mut words: Vec<&str> = first.split_whitespace().collect();
        while let Some((next, _)) = lines.peek() {
            match next.trim_start().strip_prefix("// ") {
                Some(more) if !more.starts_with("SAFETY:") => words.extend(more.split_whitespace()),
                _ => break,
            }
            lines.next();
        }
        let comment = words.join(" ");
        let refers = REFERENCES.iter().any(|begin| comment.starts_with(begin));
        if words.len() <= 2 || refers && words.len() <= WORDS {
            found.push((number, comment));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_without_a_claim_are_found() {
        // Without the colon, this file passes its own check.
        let text = "    // SAFETY By the requirements\n    // above.\n    f();\n\
                    // SAFETY By the type invariants, the pointer is valid for `'a`.\n\
                    // SAFETY See above.\n\
                    // SAFETY `ptr` is valid.\n"
            .replace("SAFETY", "SAFETY:");
        let found = bare(&text);
        assert_eq!(
            found,
            [
                (1, "By the requirements above.".to_owned()),
                (5, "See above.".to_owned()),
            ]
        );
    }
}
