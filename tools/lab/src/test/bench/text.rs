// SPDX-License-Identifier: GPL-2.0

//! Sizes of machine code: the permission checks in Rust and in C, and both kernels.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::elf::SHF_EXECINSTR;
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolKind};

/// The bound of the permission checks in Rust, in bytes.
const MOST_CHECKS: u64 = 10_000;
/// The bound of the difference between a kernel with the engine in Rust and one with the engine in
/// C, in bytes.
const MOST_ADDED: i64 = 12_000;

/// Functions that only the checks in C call. The compiler inlines most of them.
const STATIC: [&str; 12] = [
    "acl_permission_check",
    "check_acl",
    "chgrp_ok",
    "chown_ok",
    "is_v2header",
    "is_v3header",
    "kuid_root_in_ns",
    "rootid_from_xattr",
    "sansflags",
    "validheader",
    "vfsuid_root_in_currentns",
    "posix_acl_xattr_size",
];

/// The machine code of a kernel.
struct Text {
    /// The size of all executable sections.
    size: u64,
    /// The size of each function. Copies that the compiler made under the name with a suffix
    /// (`.part.0`) count as one.
    functions: BTreeMap<String, u64>,
}

impl Text {
    fn read(vmlinux: &Path) -> Result<Self> {
        let failed = || format!("cannot read {}", vmlinux.display());
        let data = fs::read(vmlinux).with_context(failed)?;
        let file = object::File::parse(&*data).with_context(failed)?;
        let executable = |flags| match flags {
            SectionFlags::Elf { sh_flags } => sh_flags & u64::from(SHF_EXECINSTR) != 0,
            _ => false,
        };
        let size = file
            .sections()
            .filter(|section| executable(section.flags()))
            .map(|section| section.size())
            .sum();
        let mut functions = BTreeMap::new();
        for symbol in file.symbols() {
            if symbol.kind() == SymbolKind::Text {
                let name = symbol.name().with_context(failed)?;
                let name = name.split('.').next().unwrap_or(name);
                *functions.entry(name.to_owned()).or_default() += symbol.size();
            }
        }
        Ok(Self { size, functions })
    }

    fn sum<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> u64 {
        let size = |name| self.functions.get(name).copied().unwrap_or(0);
        names.into_iter().map(size).sum()
    }
}

/// Returns whether a symbol is a function of `kernel::fs::permission`, or a function that C calls.
fn is_check(name: &str) -> bool {
    name.contains("2fs10permission") || counterpart(name).is_some()
}

/// The C function that returns the result of a function in Rust.
fn counterpart(name: &str) -> Option<&str> {
    let name = name.strip_prefix("rust_")?;
    (!name.starts_with("helper_") && !name.starts_with("fmt_")).then_some(name)
}

/// Prints the sizes of the kernels with the engine in Rust, the same with nested idmaps, and the
/// engine in C. Returns whether the bounds hold, which are those of the default: nested idmaps have
/// no counterpart in C.
pub(super) fn bench(rust: &Path, nested: &Path, c: &Path) -> Result<bool> {
    let [rust, nested, c] = [Text::read(rust)?, Text::read(nested)?, Text::read(c)?];
    let (text, held) = compare(&rust, &nested, &c);
    print!("{text}");
    Ok(held)
}

fn compare(rust: &Text, nested: &Text, c: &Text) -> (String, bool) {
    let replaced = |kernel: &Text| -> Vec<String> {
        let names = kernel.functions.keys().filter_map(|name| counterpart(name));
        let names = names.filter(|name| c.functions.contains_key(*name));
        names.map(str::to_owned).collect()
    };
    let checks = |kernel: &Text| {
        let names = kernel.functions.keys().map(String::as_str);
        kernel.sum(names.filter(|name| is_check(name)))
    };
    let switches = |kernel: &Text| kernel.sum(replaced(kernel).iter().map(String::as_str));
    let checks_in_c = c.sum(replaced(rust).iter().map(String::as_str).chain(STATIC));
    let added = rust.size as i64 - c.size as i64;
    let held = checks(rust) <= MOST_CHECKS && added <= MOST_ADDED;

    let mut text = format!(
        "\n{:<40}{:>12}{:>12}{:>12}\n",
        "machine code, bytes", "Rust", "and nested", "C"
    );
    let mut row = |name: &str, rust: u64, nested: u64, c: u64| {
        let _ = writeln!(text, "{name:<40}{rust:>12}{nested:>12}{c:>12}");
    };
    row(
        "permission checks",
        checks(rust),
        checks(nested),
        checks_in_c,
    );
    row(
        "C functions that call them",
        switches(rust),
        switches(nested),
        0,
    );
    row("whole kernel", rust.size, nested.size, c.size);
    let _ = writeln!(
        text,
        "bounds: checks {MOST_CHECKS}, whole kernel {MOST_ADDED} more ({added}): {}",
        if held { "held" } else { "NOT held" }
    );
    (text, held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(size: u64, functions: &[(&str, u64)]) -> Text {
        let functions = functions
            .iter()
            .map(|(name, size)| ((*name).to_owned(), *size));
        Text {
            size,
            functions: functions.collect(),
        }
    }

    fn kernels(checks: u64, added: u64) -> bool {
        let rust = text(
            1_000_000 + added,
            &[
                ("rust_generic_permission", checks - 100),
                ("_RNvNtNtNtC_6kernel2fs10permission5owner1f", 100),
                ("rust_helper_capable", 20_000),
                ("generic_permission", 20),
            ],
        );
        let c = text(1_000_000, &[("generic_permission", 500), ("check_acl", 50)]);
        let nested = text(2_000_000, &[("rust_generic_permission", 20_000)]);
        let (text, held) = compare(&rust, &nested, &c);
        assert!(
            text.contains(&format!("{checks:>12}{:>12}{:>12}\n", 20_000, 550)),
            "{text}"
        );
        held
    }

    #[test]
    fn bounds_hold_up_to_the_limits() {
        assert!(kernels(MOST_CHECKS, MOST_ADDED as u64));
    }

    #[test]
    fn bounds_fail_above_the_limits() {
        assert!(!kernels(MOST_CHECKS + 1, 0));
        assert!(!kernels(1000, MOST_ADDED as u64 + 1));
    }
}
