// SPDX-License-Identifier: GPL-2.0

//! The reading order of `rust/kernel/fs`: each module imports only modules that precede it in the
//! module list of `rust/kernel/fs.rs`. `uidgid` and `user_namespace` import no module of `fs`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The line after which the modules are listed in this order.
const MARKER: &str = "// Each module below imports only modules that precede it.";

/// Returns a line for each import of a module that does not precede the importing one.
///
/// `tree` is a kernel tree with the files of the checkout.
pub(super) fn order(tree: &Path) -> Result<String> {
    let kernel = tree.join("rust/kernel");
    let list = kernel.join("fs.rs");
    let text =
        fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let Some((_, list)) = text.split_once(MARKER) else {
        // A series of Linux without the abstractions has no order.
        return Ok(String::new());
    };
    let modules: Vec<&str> = list.lines().filter_map(module).collect();
    ensure!(!modules.is_empty(), "no modules after '{MARKER}'");
    let mut found = String::new();
    for (place, module) in modules.iter().enumerate() {
        // Tests may import all modules.
        if *module == "tests" {
            continue;
        }
        for file in files(&kernel.join("fs"), module)? {
            check(&kernel, &file, &modules, place, &mut found)?;
        }
    }
    for module in ["uidgid", "user_namespace"] {
        for file in files(&kernel, module)? {
            check(&kernel, &file, &modules, 0, &mut found)?;
        }
    }
    Ok(found)
}

/// Returns the name of the module that a line declares.
fn module(line: &str) -> Option<&str> {
    let line = line.trim_start_matches("pub(crate) ");
    let name = line.trim_start_matches("pub ").strip_prefix("mod ")?;
    name.strip_suffix(';')
}

/// Returns the files of a module, without those of its tests.
fn files(dir: &Path, module: &str) -> Result<Vec<PathBuf>> {
    let mut files = vec![dir.join(format!("{module}.rs"))];
    let mut dirs = vec![dir.join(module)];
    while let Some(dir) = dirs.pop() {
        if !dir.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Adds a line for each import of a module at or after `place` other than the file's own.
fn check(
    kernel: &Path,
    file: &Path,
    modules: &[&str],
    place: usize,
    found: &mut String,
) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let name = file.strip_prefix(kernel)?;
    // The path of the module below the crate, as in fs::inode::typed.
    let own = name.with_extension("");
    let own: Vec<String> = own
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    for path in imports(&text) {
        let absolute = resolve(&path, &own);
        let [first, module, ..] = &absolute[..] else {
            continue;
        };
        let Some(other) = modules.iter().position(|known| known == module) else {
            continue;
        };
        let is_own = own.get(1) == Some(module) && own[0] == "fs";
        if first == "fs" && other >= place && !is_own {
            found.push_str(&format!(
                "rust/kernel/{}: imports {}, which does not precede it in rust/kernel/fs.rs\n",
                name.display(),
                absolute.join("::")
            ));
        }
    }
    Ok(())
}

/// Resolves `crate`, `super` and `self` of a path in a module, to a path below the crate.
fn resolve(path: &[String], own: &[String]) -> Vec<String> {
    let mut base: Option<Vec<String>> = None;
    let mut rest = Vec::new();
    for segment in path {
        match segment.as_str() {
            "crate" | "$crate" => base = Some(Vec::new()),
            "self" if rest.is_empty() => base = Some(own.to_vec()),
            "super" => {
                let mut parent = base.unwrap_or_else(|| own.to_vec());
                parent.pop();
                base = Some(parent);
            }
            _ => rest.push(segment.clone()),
        }
    }
    match base {
        Some(mut base) => {
            base.extend(rest);
            base
        }
        None => Vec::new(),
    }
}

/// Returns the paths of all `use` items outside of comments, with their braces expanded.
fn imports(text: &str) -> Vec<Vec<String>> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    let mut rest = code.as_str();
    while let Some(start) = rest.find("use ") {
        let before = rest[..start].chars().next_back();
        rest = &rest[start + "use ".len()..];
        let Some(end) = rest.find(';') else { break };
        if before.is_none_or(|before| before.is_whitespace()) {
            expand(&tokens(&rest[..end]), &mut 0, &[], &mut paths);
        }
        rest = &rest[end..];
    }
    paths
}

/// Splits a `use` tree into names, braces and commas.
fn tokens(tree: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut name = String::new();
    for character in tree.chars() {
        if character.is_alphanumeric() || matches!(character, '_' | '*' | '$') {
            name.push(character);
            continue;
        }
        if !name.is_empty() {
            tokens.push(std::mem::take(&mut name));
        }
        if matches!(character, '{' | '}' | ',') {
            tokens.push(character.to_string());
        }
    }
    if !name.is_empty() {
        tokens.push(name);
    }
    tokens
}

/// Expands a tree of tokens to paths.
fn expand(tokens: &[String], at: &mut usize, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(*at) {
        match token.as_str() {
            "{" => {
                *at += 1;
                expand_list(tokens, at, &path, paths);
                return;
            }
            "," | "}" => break,
            _ => path.push(token.clone()),
        }
        *at += 1;
    }
    if path.len() > prefix.len() {
        paths.push(path);
    }
}

/// Expands the trees between braces.
fn expand_list(tokens: &[String], at: &mut usize, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    loop {
        match tokens.get(*at).map(String::as_str) {
            None => return,
            Some("}") => {
                *at += 1;
                return;
            }
            Some(",") => *at += 1,
            Some(_) => expand(tokens, at, prefix, paths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn import_of_later_module_is_found() {
        let scratch = Scratch::new();
        let kernel = scratch.path().join("rust/kernel");
        fs::create_dir_all(kernel.join("fs/second")).unwrap();
        let write = |name: &str, text: &str| fs::write(kernel.join(name), text).unwrap();
        let list = "#[cfg(X)]\npub mod first;\n\nmod second;\n\npub mod third;\n\nmod tests;\n";
        write("fs.rs", &format!("pub mod file;\n{MARKER}\n{list}"));
        write("uidgid.rs", "use core::fmt;\n");
        write("user_namespace.rs", "use crate::{bindings, uidgid::Id};\n");
        write(
            "fs/first.rs",
            "// use super::third;\nuse crate::prelude::*;\n",
        );
        write(
            "fs/second.rs",
            "use super::{\n    first::A, // use super::third\n    file::File,\n};\n",
        );
        write(
            "fs/second/part.rs",
            "use super::Second;\nuse crate::fs::first::{A, B};\n",
        );
        write(
            "fs/third.rs",
            "use super::{first, second::{self, part::C}};\n",
        );
        write("fs/tests.rs", "use super::third::D;\n");
        assert_eq!(order(scratch.path()).unwrap(), "");

        write(
            "fs/second/part.rs",
            "use crate::{fs::{first::A, third::{D, E}}};\n",
        );
        write("user_namespace.rs", "use crate::fs::first::A;\n");
        let found = order(scratch.path()).unwrap();
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines.len(), 3, "{found}");
        assert!(lines[0].starts_with("rust/kernel/fs/second/part.rs: imports fs::third::D,"));
        assert!(lines[2].starts_with("rust/kernel/user_namespace.rs: imports fs::first::A,"));
    }
}
