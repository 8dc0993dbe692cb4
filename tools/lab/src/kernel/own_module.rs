// SPDX-License-Identifier: GPL-2.0

//! `make module`: a module of the user, in Rust or C, built against the kernel of the guest.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::source;
use crate::fetch::toolchain::Toolchain;
use crate::lab::{Flavour, Lab};
use crate::{cache, run, tree, ui};

/// The files that kbuild reads in the directory of a module.
const MAKEFILES: [&str; 2] = ["Kbuild", "Makefile"];

/// Builds the modules in a directory of the user, which is not changed. Returns the files in the
/// directory `share`, or in the cache without one.
pub(crate) fn make(
    lab: &Lab,
    flavour: &Flavour,
    sources: &Path,
    share: Option<&Path>,
) -> Result<Vec<PathBuf>> {
    let sources = check(sources)?;
    let share = match share {
        Some(share) => share.to_owned(),
        None => lab.cache.path("module"),
    };
    fs::create_dir_all(&share).with_context(|| format!("SHARE={}", share.display()))?;
    source::check(lab)?;
    let _lock = lab.cache.lock()?;
    let toolchain = Toolchain::find(lab)?;
    let tree = tree::make(lab)?;
    let kernel = super::for_modules(lab, &tree, &toolchain, flavour)?;
    let built = Build {
        lab,
        tree: &tree.path,
        toolchain: &toolchain,
        kernel: &kernel,
    };
    // kbuild compares times, which do not order the files of two directories.
    cache::remove(&built.objects())?;
    built.copy(&built.build(&sources)?, &share)
}

/// Prints the paths of the modules, and the command that loads them.
pub(crate) fn print_paths(modules: &[PathBuf]) {
    for module in modules {
        println!("{}", module.display());
    }
    let names = modules.iter().filter_map(|module| module.file_name());
    let names = names.map(|name| format!("insmod /share/{}", name.to_string_lossy()));
    let commands: Vec<String> = names.collect();
    if let Some(dir) = modules.first().and_then(|module| module.parent()) {
        ui::print(format!(
            "load: make exec SHARE={} CMD='{}'",
            dir.display(),
            commands.join(" && ")
        ));
    }
}

/// A kernel that modules are built against.
pub(crate) struct Build<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) tree: &'a Path,
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) kernel: &'a Path,
}

impl Build<'_> {
    /// The directory of the objects.
    pub(crate) fn objects(&self) -> PathBuf {
        self.kernel.with_file_name("own-module")
    }

    /// Builds the modules in a directory, as far as they are older than their sources. The answer
    /// is the files. The caller must hold the lock.
    pub(crate) fn build(&self, sources: &Path) -> Result<Vec<PathBuf>> {
        let objects = self.objects();
        fs::create_dir_all(&objects)?;
        let make = self.command(sources, &objects);
        let step = ui::Step {
            cache: &self.lab.cache,
            label: &format!("the modules in {}", sources.display()),
            log: "own-module",
            lines: 10,
            verbose: self.lab.verbose,
        };
        let shown = run::shown(&make);
        if step.status(make)? != Some(0) {
            // The notes at the end of an error of rustc name the reason.
            let log = self.lab.cache.log("own-module")?;
            let text = fs::read(&log)?;
            let text = String::from_utf8_lossy(&text);
            bail!("{} does not build:\n{}", sources.display(), text.trim_end());
        }
        let mut modules = Vec::new();
        find(&objects, &mut modules)?;
        ensure!(
            !modules.is_empty(),
            "{} has no module: its Kbuild or Makefile needs a line such as \
             obj-m += NAME.o, for NAME.rs or NAME.c\nbuilt by: {shown}",
            sources.display()
        );
        modules.sort();
        Ok(modules)
    }

    /// The command that builds the modules in a directory.
    pub(super) fn command(&self, sources: &Path, objects: &Path) -> Command {
        let mut make = self.toolchain.make(self.tree, self.kernel);
        make.arg(format!("M={}", sources.display()))
            .arg(format!("MO={}", objects.display()))
            .args([&self.lab.arch.make_option(), "modules"]);
        make
    }

    /// Copies modules to a directory, and returns the copies.
    fn copy(&self, modules: &[PathBuf], share: &Path) -> Result<Vec<PathBuf>> {
        let mut copies = Vec::new();
        for module in modules {
            let name = module.file_name().unwrap_or_default();
            let copy = share.join(name);
            fs::copy(module, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
            copies.push(copy);
        }
        Ok(copies)
    }
}

/// Checks that a directory can have modules, and returns its absolute path.
fn check(sources: &Path) -> Result<PathBuf> {
    let failed = || format!("M={}", sources.display());
    let path = sources.canonicalize().with_context(failed)?;
    ensure!(path.is_dir(), "{} is not a directory", failed());
    ensure!(
        MAKEFILES.iter().any(|name| path.join(name).is_file()),
        "{} has neither a Kbuild nor a Makefile; for a module NAME.rs or NAME.c a file Kbuild with \
         this line is enough:\n  obj-m += NAME.o",
        failed()
    );
    let text = path.to_string_lossy();
    ensure!(
        !text.contains(|c: char| c.is_whitespace() || c == ':'),
        "{}: kbuild takes no path with blanks or colons",
        failed()
    );
    Ok(path)
}

/// Copies a directory of the kernel's source. A file with equal contents keeps its time.
pub(crate) fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_sources(&entry.path(), &target)?;
        } else {
            let text = fs::read(entry.path())?;
            if !fs::read(&target).is_ok_and(|there| there == text) {
                fs::write(&target, text)?;
            }
        }
    }
    Ok(())
}

/// Finds the modules below a directory.
fn find(dir: &Path, modules: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            find(&path, modules)?;
        } else if path.extension() == Some(OsStr::new("ko")) {
            modules.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn dir_without_makefile_is_refused_with_the_line_that_it_needs() {
        let scratch = Scratch::new();
        let error = |path: &Path| format!("{:#}", check(path).unwrap_err());
        let missing = error(&scratch.path().join("none"));
        assert!(missing.contains("none") && missing.contains("No such file"));
        assert!(error(scratch.path()).contains("obj-m += NAME.o"));
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(error(&file).contains("not a directory"));
        fs::write(scratch.path().join("Kbuild"), "").unwrap();
        assert!(check(scratch.path()).is_ok());
        let blank = scratch.path().join("a b");
        fs::create_dir(&blank).unwrap();
        fs::write(blank.join("Kbuild"), "").unwrap();
        assert!(error(&blank).contains("blanks"));
    }

    #[test]
    fn modules_are_found_at_any_depth() {
        let scratch = Scratch::new();
        let deep = scratch.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        for name in ["c.ko", "c.o", "c.mod"] {
            fs::write(deep.join(name), "").unwrap();
        }
        let mut modules = Vec::new();
        find(scratch.path(), &mut modules).unwrap();
        assert_eq!(modules, [deep.join("c.ko")]);
    }
}
