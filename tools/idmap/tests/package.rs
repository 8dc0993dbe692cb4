// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The package has all that it is built from: an application outside of the tree is built from it
//! alone, and runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The application.
const MANIFEST: &str = r#"
[package]
name = "application"
version = "0.1.0"
edition = "2024"

[dependencies]
idmapped = { path = "../idmapped-VERSION" }

[workspace]
"#;

const MAIN: &str = r#"
use idmap::{IdMaps, explain::Operation, mount_of};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let maps: IdMaps = "b:1000:1001:1".parse()?;
    let operation: Operation = "chmod:600".parse()?;
    println!("{} {operation} {}", maps.inverse(), mount_of("/")?.target.display());
    Ok(())
}
"#;

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output
}

/// Runs cargo without a network; all that the library needs was fetched for this test.
fn cargo(directory: &Path, target: &Path, words: &[&str]) -> Output {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(directory)
        .args(words)
        .arg("--offline")
        .env("CARGO_TARGET_DIR", target);
    run(&mut cargo)
}

#[test]
fn an_application_is_built_from_the_package_alone() {
    // A directory of the target directory, so that the dependencies are built once.
    let top = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("package");
    let target = top.join("target");
    let name = concat!("idmapped-", env!("CARGO_PKG_VERSION"));
    let (unpacked, application) = (top.join(name), top.join("application"));
    for old in [&unpacked, &application] {
        let _ = fs::remove_dir_all(old);
    }
    fs::create_dir_all(application.join("src")).expect("a directory");

    let library = Path::new(env!("CARGO_MANIFEST_DIR"));
    let words = ["package", "--no-verify", "--allow-dirty", "--quiet"];
    cargo(library, &target, &words);
    let package = target.join("package").join(format!("{name}.crate"));
    run(Command::new("tar")
        .arg("xf")
        .arg(&package)
        .current_dir(&top));
    for file in ["LICENSE-MIT", "README.md", "kernel/uidgid.rs"] {
        let kind = fs::symlink_metadata(unpacked.join(file)).expect(file);
        assert!(kind.is_file(), "{file}");
    }

    let manifest = MANIFEST.replace("VERSION", env!("CARGO_PKG_VERSION"));
    fs::write(application.join("Cargo.toml"), manifest).expect("a file");
    fs::write(application.join("src/main.rs"), MAIN).expect("a file");
    let output = cargo(&application, &target, &["run", "--quiet"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "b:1001:1000:1 chmod:600 /\n");
}
