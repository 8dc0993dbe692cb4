// SPDX-License-Identifier: GPL-2.0

//! The tests of tools/, which run on this machine: `cargo test`.

use std::fs;

use anyhow::Result;

use super::report::{Case, Verdict};
use crate::lab::Lab;
use crate::{run, ui};

/// Runs all tests.
pub(crate) fn run(lab: &Lab) -> Result<Vec<Case>> {
    let mut cargo = run::command("cargo");
    cargo
        .args([
            "test",
            "--workspace",
            "--no-fail-fast",
            "--locked",
            "--color=never",
        ])
        .arg("--manifest-path")
        .arg(lab.checkout.join("tools/Cargo.toml"))
        // The kernel's documentation marks examples that must not compile so that its own test
        // builder passes them by; rustdoc tries them.
        .args(["--", "--include-ignored"])
        .env("CARGO_TARGET_DIR", &lab.target);
    let step = ui::Step {
        cache: &lab.cache,
        label: "host tests",
        log: "host",
        lines: 300,
        verbose: lab.verbose,
    };
    let status = step.status(cargo)?;
    let log = lab.cache.log("host")?;
    let text = fs::read(&log)?;
    let mut cases = parse(&String::from_utf8_lossy(&text));
    let failed = cases.iter().any(|case| case.verdict.is_failure());
    if (status != Some(0) && !failed) || cases.is_empty() {
        let why = format!("cargo test failed:\n{}", ui::first_error(&log));
        cases.push(Case::new("all", Verdict::Failed(why)));
    }
    Ok(cases)
}

/// The results in the output of `cargo test`.
fn parse(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut package = String::new();
    for line in text.lines() {
        if let Some(name) = binary(line) {
            package = name;
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            let verdict = match result {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed(output(text, name)),
                _ => match result.strip_prefix("ignored") {
                    Some(reason) => Verdict::Skipped(reason.trim_start_matches([',', ' ']).into()),
                    None => continue,
                },
            };
            // "path/to/file.rs - item (line 7)" of a doctest, "a::b" of others.
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            cases.push(Case::new(&format!("{package}.{name}"), verdict));
        }
    }
    cases
}

/// The package named in a line that announces its tests.
fn binary(line: &str) -> Option<String> {
    let line = line.trim_start();
    if let Some(name) = line.strip_prefix("Doc-tests ") {
        return Some(format!("{name}.doc"));
    }
    let (_, path) = line.strip_prefix("Running ")?.rsplit_once('(')?;
    let name = path.strip_suffix(')')?.rsplit('/').next()?;
    let (name, _hash) = name.rsplit_once('-')?;
    Some(name.to_owned())
}

/// Returns the output of a failed test.
fn output(text: &str, name: &str) -> String {
    let header = format!("---- {name} stdout ----");
    text.lines()
        .skip_while(|line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with("---- ") && !line.starts_with("failures:"))
        .take(30)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_carry_the_package_and_the_reason() {
        let text = "\
   Compiling lab v0.1.0
     Running unittests src/main.rs (target/debug/deps/guest_init-0123456789abcdef)

running 3 tests
test a::b ... ok
test a::c ... FAILED
test a::d ... ignored, takes long

failures:

---- a::c stdout ----
assertion failed

failures:
    a::c
   Doc-tests idmap_core
test src/lib.rs - x (line 3) ... ok
";
        let cases = parse(text);
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        let expected = [
            "guest_init.a::b",
            "guest_init.a::c",
            "guest_init.a::d",
            "idmap_core.doc.src/lib.rs - x (line 3)",
        ];
        assert_eq!(names, expected);
        assert_eq!(
            cases[1].verdict,
            Verdict::Failed("assertion failed\n\n".into())
        );
        assert_eq!(cases[2].verdict, Verdict::Skipped("takes long".into()));
    }
}
