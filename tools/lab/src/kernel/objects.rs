// SPDX-License-Identifier: GPL-2.0

//! Whether the patches change the C code of a kernel without the engine in Rust: the objects of the
//! patched C files are compared with those of the files before the patches.
//!
//! kbuild compiles the patched files with `CONFIG_RUST_MNT_IDMAPPING=n`. The same commands then
//! compile the files of the source. All sections that a kernel loads must be equal, with their
//! relocations, except these:
//!
//! - `__bug_table` has the line of each `WARN()` and `BUG()`, and the patches move lines;
//! - `.export_symbol` and `.discard.addressable` have the names for modules, to which the patches
//!   add some.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::elf::SHF_ALLOC;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionFlags};

use super::arch::Arch;
use super::dry::Bench;
use super::kconfig::{self, Settings};
use crate::lab::{Engine, Lab};
use crate::{digest, run};

/// The sections that may differ.
const EXCEPTIONS: [&str; 3] = ["__bug_table", ".export_symbol", ".discard.addressable"];
/// The files below are for the kernel crate. C code calls none of their functions.
const HELPERS: &str = "rust";
const STAMP: &str = "compared";

/// The bytes and the relocations of a section.
type Section = (Vec<u8>, Vec<String>);

/// Compares the objects. Returns a line for each section that differs.
pub(crate) fn compare(bench: &Bench<'_>) -> Result<String> {
    let Bench {
        lab,
        tree,
        toolchain,
        ..
    } = bench;
    let settings = Settings::read(lab, &tree.source.series, &Engine::C.into())?;
    let dir = lab.cache.path(format!("build/{}/objects", tree.source.key));
    let stamp = digest::text(&format!(
        "{}\n{}{}",
        tree.digest,
        settings.text(),
        toolchain.description
    ));
    if fs::read_to_string(dir.join(STAMP)).is_ok_and(|text| text == stamp) {
        return Ok(String::new());
    }
    if !dir.join(".config").exists() {
        bench.plant(&dir)?;
    }
    super::configure(tree, toolchain, Arch::X86, &settings, &dir)?;
    let config = fs::read_to_string(dir.join(".config"))?;
    ensure!(
        !kconfig::has(&config, "RUST_MNT_IDMAPPING"),
        "the configuration has the engine in Rust"
    );
    let files: Vec<&PathBuf> = tree
        .changed
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .filter(|path| !path.starts_with(HELPERS) && tree.source.path.join(path).exists())
        .collect();
    ensure!(!files.is_empty(), "no C file of the kernel is patched");

    let mut make = toolchain.make(&tree.path, &dir);
    make.arg(format!("-j{}", Lab::jobs()))
        // No crates are needed. The C files still have the option.
        .arg("CONFIG_RUST=")
        .args(files.iter().map(|path| path.with_extension("o")));
    run::output(&mut make).context("the patched C files cannot be compiled")?;

    let mut found = String::new();
    for path in files {
        let object = path.with_extension("o");
        let stock = Path::new("stock").join(&object);
        let command = stock_command(&dir, &object, &tree.path, &tree.source.path)?;
        fs::create_dir_all(dir.join(&stock).parent().unwrap_or(&dir))?;
        let mut shell = run::command("sh");
        toolchain.environment(&mut shell);
        shell.current_dir(&dir).args(["-c", &command]);
        run::output(&mut shell).with_context(|| format!("cannot compile {}", path.display()))?;
        let (ours, stock) = (read(&dir.join(&object))?, read(&dir.join(&stock))?);
        for difference in differences(&ours, &stock) {
            found.push_str(&format!("{}: {difference}\n", object.display()));
        }
    }
    if found.is_empty() {
        fs::write(dir.join(STAMP), stamp)?;
    }
    Ok(found)
}

/// Returns the command that kbuild has saved for an object, for the source instead of the tree and
/// for an object below `stock/`.
fn stock_command(dir: &Path, object: &Path, tree: &Path, source: &Path) -> Result<String> {
    let name = object.file_name().unwrap_or_default().to_string_lossy();
    let saved = dir.join(object.with_file_name(format!(".{name}.cmd")));
    let text =
        fs::read_to_string(&saved).with_context(|| format!("cannot read {}", saved.display()))?;
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("savedcmd_")?.split_once(" := "))
        .with_context(|| format!("{}: no command", saved.display()))?
        .1;
    let dependencies = object.with_file_name(format!(".{name}.d"));
    let object = object.display().to_string();
    let dependencies = dependencies.display().to_string();
    let word = |word: &str| {
        let word = word.replace(&tree.display().to_string(), &source.display().to_string());
        match word.strip_suffix(&dependencies) {
            Some(option) => format!("{option}stock/{dependencies}"),
            None if word == object => format!("stock/{object}"),
            None => word,
        }
    };
    let words: Vec<String> = command.split_whitespace().map(word).collect();
    Ok(words.join(" "))
}

/// Reads the sections of an object that a kernel loads.
fn read(path: &Path) -> Result<BTreeMap<String, Section>> {
    let failed = || format!("cannot read {}", path.display());
    let data = fs::read(path).with_context(failed)?;
    let file = object::File::parse(&*data).with_context(failed)?;
    let mut sections = BTreeMap::new();
    for section in file.sections() {
        let name = section.name().with_context(failed)?;
        let is_loaded = match section.flags() {
            SectionFlags::Elf { sh_flags } => sh_flags & u64::from(SHF_ALLOC) != 0,
            _ => false,
        };
        if !is_loaded || EXCEPTIONS.contains(&name) {
            continue;
        }
        let mut relocations = Vec::new();
        for (offset, relocation) in section.relocations() {
            let target = match relocation.target() {
                RelocationTarget::Symbol(index) => {
                    let symbol = file.symbol_by_index(index).with_context(failed)?;
                    match (symbol.name().with_context(failed)?, symbol.section_index()) {
                        ("", Some(section)) => {
                            let section = file.section_by_index(section).with_context(failed)?;
                            section.name().with_context(failed)?.to_owned()
                        }
                        (name, _) => name.to_owned(),
                    }
                }
                other => format!("{other:?}"),
            };
            let (flags, addend) = (relocation.flags(), relocation.addend());
            relocations.push(format!("{offset:x} {flags:?} {target} {addend}"));
        }
        let bytes = section.data().with_context(failed)?.to_vec();
        // A section of zeroes has a size and no bytes.
        relocations.push(format!("size {}", section.size()));
        let (all, more): &mut Section = sections.entry(name.to_owned()).or_default();
        all.extend(bytes);
        more.extend(relocations);
    }
    Ok(sections)
}

/// Describes each section that is not the same in both objects.
fn differences(ours: &BTreeMap<String, Section>, stock: &BTreeMap<String, Section>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, (bytes, relocations)) in ours {
        match stock.get(name) {
            None => found.push(format!("{name} is only in the patched object")),
            Some((other, _)) if bytes != other => {
                let (ours, stock) = (bytes.len(), other.len());
                found.push(format!(
                    "{name} differs: {ours} bytes, without the patches {stock}"
                ));
            }
            Some((_, other)) if relocations != other => {
                found.push(format!("{name} differs in its relocations"));
            }
            Some(_) => {}
        }
    }
    for name in stock.keys().filter(|name| !ours.contains_key(*name)) {
        found.push(format!("{name} is only in the object without the patches"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_section() {
        let section =
            |bytes: &[u8], relocation: &str| (bytes.to_vec(), vec![relocation.to_owned()]);
        let object = |text: Section| BTreeMap::from([(".text".to_owned(), text)]);
        let stock = object(section(&[1, 2], "0 f"));
        assert!(differences(&stock, &stock).is_empty());
        assert_eq!(
            differences(&object(section(&[1, 2, 3], "0 f")), &stock),
            [".text differs: 3 bytes, without the patches 2"]
        );
        assert_eq!(
            differences(&object(section(&[1, 2], "0 g")), &stock),
            [".text differs in its relocations"]
        );
        assert_eq!(
            differences(&BTreeMap::new(), &stock),
            [".text is only in the object without the patches"]
        );
    }
}
