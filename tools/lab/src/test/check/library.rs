// SPDX-License-Identifier: GPL-2.0

//! The library for other programs: its public items are those of the listing in the checkout, and it
//! builds with the oldest Rust that it promises.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Complaints, Skipped, cargo, silent};
use crate::lab::Lab;
use crate::run;

/// The format of rustdoc's JSON that `tools/idmap-api` reads.
const FORMAT: u32 = 57;
const LISTING: &str = "tools/idmap/api.txt";
/// How the listing is written anew.
const WRITE: &str = "IDMAP_WRITE_API";
/// Packages that are built with the oldest Rust, each by itself: the library has its default features,
/// and none of them for the second.
const PACKAGES: [&str; 3] = ["idmapped", "idmap-c", "mount-idmapped"];

/// Architectures that differ from x86-64 in what the library rests on: the size of pointers, system
/// calls with ids of 16 bits, the order of arguments of clone(), and the order of bytes.
const TARGETS: [&str; 5] = [
    "i686-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
    "powerpc64le-unknown-linux-gnu",
    "s390x-unknown-linux-gnu",
    "riscv64gc-unknown-linux-gnu",
];

/// Compares the public items with the listing.
pub(super) fn public_items(lab: &Lab) -> Result<Complaints> {
    // Of its own, for what is built otherwise with this variable.
    let target = lab.target.join("idmap-api");
    let mut rustdoc = cargo(lab, "rustdoc");
    rustdoc
        .env("CARGO_TARGET_DIR", &target)
        .args(["--locked", "-q", "-p", "idmapped", "--lib", "--"])
        .args(["-Z", "unstable-options", "--output-format", "json"])
        // The JSON is not stable, but what is read of it is of this format.
        .env("RUSTC_BOOTSTRAP", "1");
    run::output(&mut rustdoc)?;
    let json = target.join("doc/idmap.json");
    let text =
        fs::read_to_string(&json).with_context(|| format!("cannot read {}", json.display()))?;
    match format(&text) {
        Some(FORMAT) => {}
        Some(other) => bail!(Skipped(format!(
            "rustdoc here writes its JSON in format {other}; the listing is made from format \
             {FORMAT}, of Rust 1.95"
        ))),
        None => bail!("{}: no format", json.display()),
    }
    let mut list = run::command("cargo");
    list.args(["run", "--locked", "-q", "--manifest-path"])
        .arg(lab.checkout.join("tools/idmap-api/Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .arg("--")
        .arg(&json);
    let items = run::output(&mut list)?;
    let path = lab.checkout.join(LISTING);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &items)?;
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    Ok(differences(&listed, &items))
}

/// The number after the name of the field, which is the last but few.
fn format(json: &str) -> Option<u32> {
    let (_, rest) = json.rsplit_once("\"format_version\":")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// The items that are in one of the two alone.
fn differences(listed: &str, items: &str) -> Complaints {
    let only = |sign: &str, these: &str, those: &str| -> String {
        let those: Vec<&str> = those.lines().collect();
        let lines = these.lines().filter(|line| !those.contains(line));
        lines.map(|line| format!("  {sign} {line}\n")).collect()
    };
    let found = only("-", listed, items) + &only("+", items, listed);
    if found.is_empty() {
        return found;
    }
    format!(
        "public items of the library and {LISTING} differ:\n{found}\
         {WRITE}=1 make check T='public items' writes them there; a change that is not only an \
         addition needs another version"
    )
}

/// Builds the library and what is made of it with the oldest Rust.
pub(super) fn oldest_rust(lab: &Lab) -> Result<Complaints> {
    let manifest = lab.checkout.join("tools/Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let oldest = text
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .with_context(|| format!("{}: no rust-version", manifest.display()))?;
    let is_own = own(oldest)?;
    let mut found = String::new();
    for package in PACKAGES {
        let mut cargo = match is_own {
            true => run::command("cargo"),
            false => toolchain(oldest)?,
        };
        cargo
            .args(["check", "--locked", "-q", "-p", package, "--manifest-path"])
            .arg(&manifest)
            .env("CARGO_TARGET_DIR", lab.target.join("oldest-rust"));
        found += &silent(&mut cargo)?;
    }
    Ok(found)
}

/// Checks the packages for other architectures: those of which this machine has the standard library.
pub(super) fn architectures(lab: &Lab) -> Result<Complaints> {
    let sysroot = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
    let has = |target: &str| libraries.join(target).join("lib").is_dir();
    let here: Vec<&str> = TARGETS.into_iter().filter(|target| has(target)).collect();
    if here.is_empty() {
        bail!(Skipped(format!(
            "there is no standard library of another architecture here; rustup target add {}",
            TARGETS.join(" ")
        )));
    }
    let mut found = String::new();
    for target in here {
        let mut cargo = run::command("cargo");
        cargo.args(["check", "--locked", "-q", "--target", target]);
        cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
        cargo
            .arg("--manifest-path")
            .arg(lab.checkout.join("tools/Cargo.toml"))
            .env("CARGO_TARGET_DIR", lab.target.join("architectures"));
        found += &silent(&mut cargo)?;
    }
    Ok(found)
}

/// Whether the compiler that all is built with is the oldest.
fn own(oldest: &str) -> Result<bool> {
    let version = run::output(run::command("rustc").arg("--version"))?;
    Ok(version.starts_with(&format!("rustc {oldest}.")))
}

/// Its cargo, if rustup has it.
fn toolchain(oldest: &str) -> Result<Command> {
    let rustup = || {
        let mut rustup = run::command("rustup");
        // A check fetches no compiler.
        rustup
            .env("RUSTUP_AUTO_INSTALL", "0")
            .args(["run", oldest, "cargo"]);
        rustup
    };
    let has = run::on_path("rustup") && {
        let output = run::finished(rustup().arg("--version"))?;
        output.status.success()
    };
    if !has {
        bail!(Skipped(format!(
            "rustup has no Rust {oldest} here; clippy has looked for items that are newer"
        )));
    }
    Ok(rustup())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_is_the_number_of_its_field() {
        let json = r#"{"index":{"docs":"\"format_version\":"},"format_version":57,"target":{}}"#;
        assert_eq!(format(json), Some(57));
        assert_eq!(format("{}"), None);
    }

    #[test]
    fn differences_name_each_item() {
        assert_eq!(differences("pub a\npub b\n", "pub a\npub b\n"), "");
        let found = differences("pub a\npub b\n", "pub b\npub c\n");
        assert!(found.contains("  - pub a\n  + pub c\n"), "{found}");
        assert!(!found.contains("pub b"), "{found}");
    }
}
