// SPDX-License-Identifier: GPL-2.0

//! The examples in the documentation of the kernel crate that must not compile. The doctests of the
//! kernel do not include them, because all doctests must compile.
//!
//! Each example is compiled against the crate, as a module. The compiler must fail with the error
//! code of the example's fence, or with an error without a code if the fence has none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::report::{Case, Verdict};
use crate::fetch::toolchain::Toolchain;
use crate::lab::Lab;
use crate::tree::Tree;
use crate::{cache, run, ui};

/// The files in the checkout whose documentation has examples, for each series of Linux.
const EVERYWHERE: &[&str] = &[
    "rust/kernel/fs/mnt_idmapping",
    "rust/kernel/fs/mode.rs",
    "rust/kernel/fs/permission",
    "rust/kernel/fs/permission.rs",
    "rust/kernel/uidgid.rs",
    "rust/kernel/user_namespace",
    "rust/kernel/user_namespace.rs",
];
/// The same files for a series with the abstractions of filesystems.
const ALL: &[&str] = &[
    "rust/kernel/fs",
    "rust/kernel/uidgid.rs",
    "rust/kernel/user_namespace",
    "rust/kernel/user_namespace.rs",
];
const FENCE: &str = "```ignore,compile_fail";
/// The example that must compile. Otherwise the failures of the others prove nothing.
const CONTROL: &str = "control";

/// The type that `#[vtable]` names, as in a doctest.
const MODULE: &str = "\
struct LocalModule;

impl kernel::ModuleMetadata for LocalModule {
    const NAME: &'static kernel::str::CStr = c\"example\";
    // SAFETY: A null pointer is the kernel's own module.
    const THIS_MODULE: kernel::ThisModule =
        unsafe { kernel::ThisModule::from_ptr(core::ptr::null_mut()) };
}
";

/// An example that must not compile.
struct Example {
    /// The file and line of its fence, as in "fs/permission.rs:32".
    place: String,
    code: String,
    /// The error code, or an empty string.
    error: String,
}

/// Compiles the examples with the User Mode Linux in a build directory, with or without the
/// abstractions of filesystems. The caller must hold the lock.
pub(super) fn cases(
    lab: &Lab,
    tree: &Tree,
    toolchain: &Toolchain,
    build: &Path,
    abstractions: bool,
) -> Result<Vec<Case>> {
    let mut examples = Vec::new();
    for path in if abstractions { ALL } else { EVERYWHERE } {
        collect(&lab.checkout, &lab.checkout.join(path), &mut examples)?;
    }
    let dir = build.with_file_name("misuse");
    cache::remove(&dir)?;
    fs::create_dir_all(&dir)?;
    let mut objects = vec![format!("{CONTROL}.o")];
    let write = |stem: &str, code: &str| {
        let module = if abstractions { MODULE } else { "" };
        // A function that is not public would not be instantiated.
        let text = format!(
            "//! An example.\n#![allow(unused)]\n/// Has the code.\n\
             pub fn {stem}() {{\n{code}\n}}\n{module}"
        );
        fs::write(dir.join(format!("{stem}.rs")), text)
    };
    write(CONTROL, "use kernel::fs::mnt_idmapping::MntIdmap;")?;
    for (index, example) in examples.iter().enumerate() {
        write(&stem(index), &example.code)?;
        objects.push(format!("{}.o", stem(index)));
    }
    fs::write(
        dir.join("Kbuild"),
        format!("obj-m := {}\n", objects.join(" ")),
    )?;
    let mut make = toolchain.make(&tree.path, build);
    make.args(["ARCH=um", "-k", &format!("-j{}", Lab::jobs())])
        .arg(format!("M={}", dir.display()))
        .args(&objects);
    // The build must fail. The output has the errors.
    let printed = ui::timed("examples that must not compile", || {
        run::finished(&mut make)
    })?
    .stderr;
    fs::write(lab.cache.log("misuse")?, &printed)?;
    let errors = errors(&String::from_utf8_lossy(&printed));
    let mut cases = vec![Case::new(
        "misuse.control",
        match dir.join(format!("{CONTROL}.o")).exists() {
            true => Verdict::Passed,
            false => {
                Verdict::Failed("the example without an error does not compile either".to_owned())
            }
        },
    )];
    cases.extend(examples.iter().enumerate().map(|(index, example)| {
        let of_it = errors.iter().filter(|(file, _)| *file == stem(index));
        let seen: Vec<&str> = of_it.map(|(_, error)| error.as_str()).collect();
        let verdict = match seen[..] {
            [] => Verdict::Failed("it compiles".to_owned()),
            _ if seen.iter().all(|error| *error == example.error) => Verdict::Passed,
            _ => {
                let expected = &example.error;
                Verdict::Failed(format!("expected: error '{expected}', seen: {seen:?}"))
            }
        };
        Case::new(&format!("misuse.{}", example.place), verdict)
    }));
    Ok(cases)
}

/// Returns the name of an example's file, without the extension.
fn stem(index: usize) -> String {
    format!("example{index}")
}

/// Reads the examples of a file, or of all files below a directory.
fn collect(checkout: &Path, path: &Path, examples: &mut Vec<Example>) -> Result<()> {
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<Result<Vec<PathBuf>>>()?;
        paths.sort();
        return paths
            .iter()
            .try_for_each(|path| collect(checkout, path, examples));
    }
    if path.extension().is_some_and(|ending| ending == "rs") {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(checkout.join("rust/kernel"))?;
        examples.extend(of_text(&name.display().to_string(), &text));
    }
    Ok(())
}

fn of_text(name: &str, text: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(error) = documentation(line).and_then(|line| line.strip_prefix(FENCE)) else {
            continue;
        };
        let code: Vec<&str> = lines
            .by_ref()
            .map_while(|(_, line)| documentation(line).filter(|line| *line != "```"))
            // Lines that rustdoc hides are compiled.
            .map(|line| match line {
                "#" => "",
                _ => line.strip_prefix("# ").unwrap_or(line),
            })
            .collect();
        examples.push(Example {
            place: format!("{name}:{}", index + 1),
            code: code.join("\n"),
            error: error.trim_start_matches(',').to_owned(),
        });
    }
    examples
}

/// Returns the text of a line of documentation.
fn documentation(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line
        .strip_prefix("//!")
        .or_else(|| line.strip_prefix("///"))?;
    Some(text.strip_prefix(' ').unwrap_or(text))
}

/// Returns the errors in the output of the compiler: the stem of the file, and the code if there is
/// one.
fn errors(log: &str) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    let mut last = None;
    for line in log.lines() {
        if line.starts_with("error: aborting") {
            // The output of two compilers can be mixed: a note of another example may follow.
            last = None;
        } else if let Some(rest) = line.strip_prefix("error") {
            let code = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            last = Some(code.map_or("", |(code, _)| code).to_owned());
        } else if line.starts_with("warning") {
            last = None;
        } else if let Some((stem, error)) = example(line).and_then(|it| Some((it, last.take()?))) {
            errors.push((stem.to_owned(), error));
        }
    }
    errors
}

/// Returns the example that a line of an error names first: by the path of the error, or by a type
/// if an assertion of the crate failed.
fn example(line: &str) -> Option<&str> {
    let is_stem = |stem: &&str| {
        let number = stem.strip_prefix("example");
        number.is_some_and(|number| number.parse::<usize>().is_ok())
    };
    if let Some(place) = line.trim_start().strip_prefix("--> ") {
        let file = place.rsplit('/').next().unwrap_or(place);
        return file.split(".rs:").next().filter(is_stem);
    }
    let (_, evaluated) = line.split_once("evaluation of `")?;
    let mut words = evaluated.split(['<', '>', ' ', ',']);
    words.find_map(|word| word.split("::").next().filter(is_stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_read_with_their_errors() {
        let text = "//! ```ignore,compile_fail,E0308\n//! # use a;\n//! let b = 1;\n//! ```\n\
                    //! ```\n//! let c = 1;\n//! ```\n    /// ```ignore,compile_fail\n    /// d();\n\
                    \x20   /// ```\n";
        let examples = of_text("a.rs", text);
        let read = examples
            .iter()
            .map(|it| (&it.place[..], &it.code[..], &it.error[..]));
        let expected = [
            ("a.rs:1", "use a;\nlet b = 1;", "E0308"),
            ("a.rs:8", "d();", ""),
        ];
        assert_eq!(read.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn errors_are_those_of_their_files() {
        let log = "warning: unused\n --> /x/example0.rs:1:1\nerror[E0308]: mismatched\n \
                   --> /x/example1.rs:4:5\n  ::: other\nerror: lifetime may not live long enough\n \
                   --> /x/example2.rs:5:5\nerror: aborting due to 1 previous error\n\
                   make: *** [example2.o] Error 1\nerror[E0080]: evaluation panicked: no\n \
                   --> /tree/a.rs:9:9\n |  ^^ evaluation of `a::T::<a::U, example3::Opened>::V` \
                   failed here\nerror: aborting due to 1 previous error\n\
                   note: the above error\n --> example4.rs:8:5\n";
        let pair = |stem: &str, code: &str| (stem.to_owned(), code.to_owned());
        assert_eq!(
            errors(log),
            [
                pair("example1", "E0308"),
                pair("example2", ""),
                pair("example3", "E0080")
            ]
        );
    }
}
