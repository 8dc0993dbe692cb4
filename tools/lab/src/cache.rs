// SPDX-License-Identifier: GPL-2.0

//! The cache directory, which holds all downloads and builds, outside of the
//! checkout.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::ui;

/// The large directories of the cache, and an upper bound of their sizes in GiB.
const PARTS: &[(&str, u64)] = &[("src", 2), ("build", 2), ("image", 1), ("target", 1)];

/// The cache directory.
pub(crate) struct Cache {
    root: PathBuf,
}

/// The lock of the cache, which is held while a file in it is created. Dropping it releases the
/// lock.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Cache {
    /// Opens the cache, and creates it if it does not exist.
    pub(crate) fn open(root: PathBuf) -> Result<Self> {
        let failed = || format!("cannot use the cache directory {}", root.display());
        fs::create_dir_all(&root).with_context(failed)?;
        let root = root.canonicalize().with_context(failed)?;
        Ok(Self { root })
    }

    /// Returns a path in the cache.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Returns the path of the log of a step. Each run has a directory for its logs, so that runs at the same
    /// time do not write to the same files; `log/last` leads to that of the newest run.
    pub(crate) fn log(&self, stem: &str) -> Result<PathBuf> {
        static RUN: OnceLock<String> = OnceLock::new();
        let logs = self.path("log");
        let run = RUN.get_or_init(|| {
            let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            format!("{}-{}", since.as_secs(), std::process::id())
        });
        let dir = logs.join(run);
        if !dir.exists() {
            fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
            keep_newest(&logs, run);
        }
        Ok(dir.join(format!("{stem}.log")))
    }

    /// Takes the lock. Waits while another process holds it.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.path("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            ui::print(format!(
                "another run works in {}: waiting for it to finish",
                self.root.display()
            ));
            flock(&file, FlockOperation::LockExclusive)
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        crate::scratch::sweep(&self.path("download"));
        Ok(Lock(file))
    }

    /// Creates a file or directory, unless it exists. `create` gets a temporary
    /// path. The result is renamed when it is complete, so a killed run leaves
    /// no incomplete one. The caller must hold the lock.
    pub(crate) fn make(
        &self,
        relative: &str,
        create: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(relative);
        if !path.exists() {
            self.replace(relative, create)?;
        }
        Ok(path)
    }

    /// Creates a file or directory as [`Cache::make`] does, and replaces an existing one.
    pub(crate) fn replace(
        &self,
        relative: &str,
        create: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(relative);
        let partial = PathBuf::from(format!("{}.partial", path.display()));
        remove(&partial)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        if let Err(error) = create(&partial) {
            let _ = remove(&partial);
            return Err(error);
        }
        remove(&path)?;
        fs::rename(&partial, &path)
            .with_context(|| format!("cannot rename {}", partial.display()))?;
        Ok(path)
    }

    /// Fails if the disk has too little space for the directories that do not exist yet.
    pub(crate) fn need_space(&self) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.root)
            .with_context(|| format!("cannot examine {}", self.root.display()))?;
        let free = (stat.f_bavail * stat.f_frsize) >> 30;
        let missing = PARTS.iter().filter(|(part, _)| !self.path(part).exists());
        let need = 1 + missing.map(|(_, size)| size).sum::<u64>();
        if free < need {
            bail!(
                "{} has {free} GiB free and {need} GiB are needed; \
                 free some space, or name a directory on another disk: make ... CACHE=/path",
                self.root.display()
            );
        }
        Ok(())
    }

    /// Removes all files that this program created, except the lock and the
    /// directory of the program itself.
    pub(crate) fn clean(&self) -> Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let name = entry.file_name();
            let created = name.to_str().is_some_and(|name| CREATED.contains(&name));
            ensure!(
                created,
                "{} was not created by this program: nothing is removed",
                entry.path().display()
            );
            entries.push(entry);
        }
        for entry in entries {
            // `target` has the program that runs now. The next run uses it again.
            if entry.file_name() != "target" && entry.file_name() != "lock" {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// How many runs' logs are kept.
const KEPT_RUNS: usize = 20;

/// Makes `last` lead to the logs of a run, and removes the oldest logs of runs. What cannot be
/// removed stays.
fn keep_newest(logs: &Path, run: &str) {
    let last = logs.join("last");
    let _ = remove(&last);
    let _ = std::os::unix::fs::symlink(run, &last);
    let began = |name: &str| name.split_once('-')?.0.parse::<u64>().ok();
    let mut runs: Vec<(u64, PathBuf)> = fs::read_dir(logs)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((began(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    runs.sort();
    let old = runs.len().saturating_sub(KEPT_RUNS);
    for (_, dir) in &runs[..old] {
        let _ = remove(dir);
    }
}

/// The names that this program creates in the cache directory.
const CREATED: &[&str] = &[
    "apt",
    "bindgen",
    "build",
    "download",
    "image",
    "kernel",
    "kvm",
    "lock",
    "log",
    "module",
    "run",
    "rust-src",
    "selftests",
    "series",
    "src",
    "sysroot",
    "target",
    "tree",
];

/// Removes a file or directory, if it exists.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let failed = || format!("cannot remove {}", path.display());
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(data) if data.is_dir() => fs::remove_dir_all(path).with_context(failed),
        Ok(_) => fs::remove_file(path).with_context(failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_failed_step_leaves_nothing() {
        let scratch = Scratch::new();
        let cache = Cache::open(scratch.path().join("cache")).unwrap();
        let made = cache.make("a/b", |path| {
            fs::create_dir(path)?;
            fs::write(path.join("half"), "")?;
            bail!("stopped")
        });
        assert!(made.is_err());
        assert_eq!(fs::read_dir(cache.path("a")).unwrap().count(), 0);
        cache.make("a/b", |path| Ok(fs::write(path, "1")?)).unwrap();
        cache.make("a/b", |_| bail!("not called")).unwrap();
        assert_eq!(fs::read_to_string(cache.path("a/b")).unwrap(), "1");
    }

    #[test]
    fn the_newest_logs_are_kept() {
        let scratch = Scratch::new();
        for run in 1..=KEPT_RUNS + 3 {
            fs::create_dir(scratch.path().join(format!("{run}-7"))).unwrap();
        }
        fs::write(scratch.path().join("kernel.lines"), "9").unwrap();
        keep_newest(scratch.path(), "23-7");
        let has = |name: &str| scratch.path().join(name).exists();
        assert!(!has("3-7") && has("4-7") && has("last/.") && has("kernel.lines"));
    }

    #[test]
    fn clean_refuses_foreign_files() {
        let scratch = Scratch::new();
        fs::write(scratch.path().join("thesis"), "").unwrap();
        fs::create_dir(scratch.path().join("src")).unwrap();
        let cache = Cache::open(scratch.path().to_owned()).unwrap();
        assert!(cache.clean().unwrap_err().to_string().contains("thesis"));
        assert!(scratch.path().join("thesis").exists());
        assert!(scratch.path().join("src").exists());
        fs::remove_file(scratch.path().join("thesis")).unwrap();
        cache.clean().unwrap();
        assert!(!scratch.path().join("src").exists());
    }
}
