// SPDX-License-Identifier: GPL-2.0

//! Diagnostics of rustc and clippy, by file.

/// Returns the diagnostics about the requested files.
pub(crate) fn about(text: &str, is_asked_for: impl Fn(&str) -> bool) -> String {
    let mut found = String::new();
    let mut block: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        let begins = ["warning: ", "error: ", "error["]
            .iter()
            .any(|sign| line.starts_with(sign));
        if begins || line.is_empty() {
            let ours = place(&block).is_some_and(&is_asked_for);
            if ours {
                found.push_str(&block.join("\n"));
                found.push_str("\n\n");
            }
            block.clear();
        }
        if begins || !block.is_empty() {
            block.push(line);
        }
    }
    found
}

/// Returns the file of a diagnostic: " --> rust/kernel/x.rs:3:5".
fn place<'a>(block: &[&'a str]) -> Option<&'a str> {
    let (_, place) = block.iter().find_map(|line| line.split_once("--> "))?;
    place.split(':').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_the_files_asked_for() {
        let text = "\
  RUSTDOC L rust/kernel/lib.rs
warning: unresolved link
 --> rust/kernel/ours.rs:3:5
  |
3 | x
  |

warning: other
 --> rust/kernel/theirs.rs:3:5

warning: 2 warnings emitted

";
        let found = about(text, |path| path == "rust/kernel/ours.rs");
        assert!(found.starts_with("warning: unresolved link\n"));
        assert!(!found.contains("other") && !found.contains("emitted"));
    }
}
