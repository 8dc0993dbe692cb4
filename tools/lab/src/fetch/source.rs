// SPDX-License-Identifier: GPL-2.0

//! The source of the kernel without changes: Debian's package, or a copy of a
//! tree of the user. The files do not change after they were unpacked.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::cache;
use crate::fetch::apt::{self, Apt};
use crate::lab::Lab;
use crate::scratch::Scratch;
use crate::{digest, run, ui};

/// The kernels that the patches are made for.
pub(crate) const SERIES: [&str; 2] = ["7.3", "7.2"];

/// An unpacked source.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    /// "7.3.4".
    pub(crate) version: String,
    /// "7.3".
    pub(crate) series: String,
    /// The name of directories that are built from the source.
    pub(crate) key: String,
    /// Whether it is a copy of a tree that its user may change at any time.
    pub(crate) changes: bool,
}

/// Returns the requested source, and downloads it if it is missing. The caller
/// must hold the lock.
pub(crate) fn get(lab: &Lab) -> Result<Source> {
    match &lab.kdir {
        Some(kdir) => copied(lab, kdir),
        None => downloaded(lab),
    }
}

/// Fails if there can be no such kernel, before any work is done for it.
pub(crate) fn check(lab: &Lab) -> Result<()> {
    if let Some(kdir) = &lab.kdir {
        return version(kdir).map(drop);
    }
    ensure!(
        SERIES.contains(&lab.kernel.as_str()),
        "KERNEL={}: the patches are made for {}; or name a tree of yours: KDIR=/path",
        lab.kernel,
        SERIES.join(" and ")
    );
    Ok(())
}

/// The version and series of a kernel tree whose changes we have.
pub(crate) fn version(tree: &Path) -> Result<(String, String)> {
    let wrong = || format!("{} is not the top of a kernel tree", tree.display());
    let makefile = fs::read_to_string(tree.join("Makefile")).with_context(wrong)?;
    ensure!(tree.join("init/main.c").exists(), wrong());
    let (version, series) = parse_version(&makefile).with_context(wrong)?;
    ensure!(
        SERIES.contains(&series.as_str()),
        "{} is Linux {version}; the patches are made for {}",
        tree.display(),
        SERIES.join(" and ")
    );
    Ok((version, series))
}

/// The version and series in the kernel's Makefile.
fn parse_version(makefile: &str) -> Option<(String, String)> {
    let value = |name: &str| {
        makefile.lines().find_map(|line| {
            let (variable, value) = line.split_once('=')?;
            (variable.trim() == name).then(|| value.trim())
        })
    };
    let series = format!("{}.{}", value("VERSION")?, value("PATCHLEVEL")?);
    let version = match value("SUBLEVEL")? {
        "0" => format!("{series}{}", value("EXTRAVERSION").unwrap_or_default()),
        level => format!("{series}.{level}"),
    };
    Some((version, series))
}

/// Returns the newest patch level in the cache, or in the archive if the cache
/// has none.
fn downloaded(lab: &Lab) -> Result<Source> {
    check(lab)?;
    let series = &lab.kernel;
    let path = match newest(&lab.cache.path("src"), series) {
        Some(path) => path,
        None => fetch(lab, series)?,
    };
    let (version, found) = version(&path)?;
    ensure!(found == *series, "{} holds Linux {version}", path.display());
    Ok(Source {
        path,
        version,
        series: series.clone(),
        key: series.clone(),
        changes: false,
    })
}

/// The unpacked source of this series with the highest patch level.
fn newest(dir: &Path, series: &str) -> Option<PathBuf> {
    let levels = fs::read_dir(dir).ok()?.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let rest = name.strip_prefix("linux-")?.strip_prefix(series)?;
        let level: u32 = match rest {
            "" => 0,
            _ => rest.strip_prefix('.')?.parse().ok()?,
        };
        Some((level, entry.path()))
    });
    levels.max().map(|(_, path)| path)
}

/// Downloads and unpacks `linux-source-<series>`.
fn fetch(lab: &Lab, series: &str) -> Result<PathBuf> {
    let apt = Apt::open(&lab.cache)?;
    let package = format!("linux-source-{series}");
    let versions = apt.versions(&package)?;
    let Some(version) = versions.first() else {
        let there = apt.names("linux-source-")?.join(" ");
        bail!("the Debian mirror has no {package} any more (it has: {there}); use KDIR=/path");
    };
    let level = apt::upstream(version);
    lab.cache.make(&format!("src/linux-{level}"), |path| {
        let scratch = Scratch::below(&lab.cache.path("download"))?;
        let file = format!("usr/src/{package}.tar.xz");
        apt.unpack((&package, version), &format!("./{file}"), scratch.path())?;
        fs::create_dir(path)?;
        let tar = scratch.path().join(file);
        let mut command = run::command("tar");
        command
            .arg("-xJf")
            .arg(&tar)
            .arg("-C")
            .arg(path)
            .arg("--strip-components=1");
        let step = ui::Step {
            cache: &lab.cache,
            label: &format!("unpacking Linux {level}"),
            log: "unpack",
            lines: 1,
            verbose: lab.verbose,
        };
        step.run(command)
    })
}

/// A clean copy of the user's tree, brought up to date.
fn copied(lab: &Lab, kdir: &Path) -> Result<Source> {
    let (version, series) = version(kdir)?;
    ensure!(
        !kdir.join(crate::tree::undo::DIR).exists(),
        "{} has these changes already: take them out with make unapply KDIR={}",
        kdir.display(),
        kdir.display()
    );
    let kdir = kdir.canonicalize()?;
    let hash = digest::text(&kdir.to_string_lossy());
    let key = format!("kdir-{}", &hash[..8]);
    let path = lab.cache.path(format!("src/{key}"));
    fs::create_dir_all(&path)?;
    // The patched tree has hard links to the files, so they must be replaced and
    // not written to, as rsync does.
    let mut rsync = run::command("rsync");
    rsync
        .args(["--archive", "--delete", "--exclude=/.git"])
        .arg(kdir.join(""))
        .arg(&path);
    let step = ui::Step {
        cache: &lab.cache,
        label: &format!("copying {}", kdir.display()),
        log: "copy",
        lines: 1,
        verbose: lab.verbose,
    };
    step.run(rsync)?;
    if path.join(".config").exists() || path.join("include/config").exists() {
        let mut make = run::command("make");
        make.arg("-C").arg(&path).args(["-s", "mrproper"]);
        run::output(&mut make).context("cannot clean the copy of the kernel tree")?;
    }
    ensure!(
        path.join("Makefile").exists(),
        "nothing was copied to {}",
        path.display()
    );
    cache::remove(&path.join(".git"))?;
    Ok(Source {
        path,
        version,
        series,
        key,
        changes: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn versions_come_from_the_makefile() {
        let text = "# x\nVERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n";
        let seen = parse_version(text).unwrap();
        assert_eq!(seen, ("7.3.4".to_owned(), "7.3".to_owned()));
        let text = "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n";
        assert_eq!(parse_version(text).unwrap().0, "7.3-rc2");
        assert_eq!(parse_version("all:\n\techo\n"), None);
    }

    #[test]
    fn a_folder_that_is_no_kernel_is_named() {
        let scratch = Scratch::new();
        let error = format!("{:#}", version(scratch.path()).unwrap_err());
        assert!(error.contains("is not the top of a kernel tree"), "{error}");
    }

    #[test]
    fn the_highest_level_wins_by_number() {
        let scratch = Scratch::new();
        for name in [
            "linux-7.3.9",
            "linux-7.3.10",
            "linux-7.2.30",
            "linux-7.3.11.partial",
        ] {
            fs::create_dir(scratch.path().join(name)).unwrap();
        }
        let found = newest(scratch.path(), "7.3").unwrap();
        assert!(found.ends_with("linux-7.3.10"));
        assert_eq!(newest(scratch.path(), "7.4"), None);
    }
}
