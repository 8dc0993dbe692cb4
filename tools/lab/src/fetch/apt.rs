// SPDX-License-Identifier: GPL-2.0

//! The Debian archive: which mirror this machine uses, and a private apt
//! state in the cache through which packages of newer releases are downloaded
//! and verified, without touching the system's own lists.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{self, Cache};
use crate::scratch::Scratch;
use crate::{run, ui};

/// The keys that sign the releases we use.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Where newer kernels and compilers are found.
const SUITES: &[&str] = &["trixie", "trixie-backports", "forky", "sid"];

/// The address of the mirror from which this machine installs.
pub(crate) fn mirror() -> Result<String> {
    let listed = run::output(run::command("apt-get").args([
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE)",
    ]))
    .context("this needs a Debian machine with apt")?;
    main_mirror(&listed).context(
        "apt-get indextargets names no Debian mirror: check /etc/apt/sources.list and sources.list.d",
    )
}

/// The first site that has a whole release, not only its updates.
fn main_mirror(listed: &str) -> Option<String> {
    listed.lines().find_map(|line| {
        let (site, release) = line.split_once(' ')?;
        let whole = !release.contains('-') && !release.contains('/');
        whole.then(|| site.trim_end_matches('/').to_owned())
    })
}

/// The private apt state.
pub(crate) struct Apt<'a> {
    cache: &'a Cache,
    dir: PathBuf,
}

impl<'a> Apt<'a> {
    /// Opens the state and downloads the lists if there are none yet. The
    /// caller holds the lock.
    pub(crate) fn open(cache: &'a Cache) -> Result<Self> {
        let apt = Self {
            cache,
            dir: cache.path("apt"),
        };
        let mirror = mirror()?;
        let sources: String = SUITES
            .iter()
            .map(|suite| {
                format!("deb [signed-by={KEYRING} target=Packages] {mirror} {suite} main\n")
            })
            .collect();
        let sources_file = apt.dir.join("sources.list");
        if fs::read_to_string(&sources_file).is_ok_and(|text| text == sources) {
            return Ok(apt);
        }
        cache::remove(&apt.dir)?;
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(apt.dir.join(dir))
                .with_context(|| format!("cannot make {}", apt.dir.display()))?;
        }
        fs::write(apt.dir.join("status"), "")?;
        let new = apt.dir.join("sources.list.new");
        fs::write(&new, &sources)?;
        apt.update(&new)?;
        // Another run uses the state again only if it has this file.
        fs::rename(new, sources_file)?;
        Ok(apt)
    }

    fn update(&self, sources: &Path) -> Result<()> {
        let step = ui::Step {
            cache: self.cache,
            label: "package lists",
            log: "apt-update",
            lines: 20,
            verbose: false,
        };
        let mut update = self.command("apt-get", sources);
        update.args(["update", "-o", "APT::Update::Error-Mode=any"]);
        step.run(update)
    }

    /// Returns a command of apt that does not use the state of the system.
    fn command(&self, program: &str, sources: &Path) -> Command {
        let mut command = run::command(program);
        let dir = |name: &str| self.dir.join(name).display().to_string();
        for (option, value) in [
            ("Dir::State", dir("")),
            ("Dir::State::lists", dir("lists")),
            ("Dir::State::status", dir("status")),
            ("Dir::Cache", dir("cache")),
            ("Dir::Etc::sourcelist", sources.display().to_string()),
            ("Dir::Etc::sourceparts", "-".to_owned()),
            ("Dir::Etc::preferences", "-".to_owned()),
            ("Dir::Etc::preferencesparts", "-".to_owned()),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Retries", "3".to_owned()),
        ] {
            command.arg("-o").arg(format!("{option}={value}"));
        }
        command
    }

    fn ready(&self, program: &str) -> Command {
        self.command(program, &self.dir.join("sources.list"))
    }

    /// The versions of a package, newest first.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let listed = run::output(self.ready("apt-cache").args(["madison", package]))?;
        Ok(versions(&listed))
    }

    /// Returns the packages whose names have this prefix.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = run::output(self.ready("apt-cache").args(["pkgnames", prefix]))?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Downloads one package, verifies it, and unpacks the files that match `pattern`
    /// into `target`.
    pub(crate) fn unpack(
        &self,
        (package, version): (&str, &str),
        pattern: &str,
        target: &Path,
    ) -> Result<()> {
        let dir = Scratch::below(&self.cache.path("download"))?;
        let step = ui::Step {
            cache: self.cache,
            label: &format!("downloading {package} {version}"),
            log: &format!("download-{package}"),
            lines: 3,
            verbose: false,
        };
        let mut download = self.ready("apt-get");
        download
            .current_dir(dir.path())
            .args(["download", &format!("{package}={version}")]);
        step.run(download)?;
        fs::create_dir_all(target)?;
        let script = "set -e -o pipefail; \
                      dpkg-deb --fsys-tarfile \"$1\"/*.deb | tar -x -C \"$2\" --wildcards \"$3\"";
        let mut unpack = run::command("bash");
        unpack
            .args(["-c", script, "bash"])
            .args([dir.path(), target])
            .arg(pattern);
        run::output(&mut unpack).with_context(|| format!("cannot unpack {package}"))?;
        Ok(())
    }
}

/// The versions in the output of `apt-cache madison`, newest first.
fn versions(madison: &str) -> Vec<String> {
    let mut seen = Vec::new();
    for line in madison.lines() {
        let mut fields = line.split('|').map(str::trim).skip(1);
        if let (Some(version), Some(origin)) = (fields.next(), fields.next()) {
            if origin.ends_with("Packages") && !seen.iter().any(|known| known == version) {
                seen.push(version.to_owned());
            }
        }
    }
    seen
}

/// The upstream version: "7.3.4" of "7.3.4-1~bpo13+1", "1.95.0" of
/// "1:1.95.0+dfsg1-2".
pub(crate) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end = version.find(['-', '+', '~']).unwrap_or(version.len());
    &version[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_in_order_and_once() {
        let listed = "\
linux-source-7.2 | 7.2.12-1 | http://mirror/debian forky/main amd64 Packages
linux-source-7.2 | 7.2.12-1~bpo13+1 | http://mirror/debian trixie-backports/main amd64 Packages
linux-source-7.2 | 7.2.12-1 | http://mirror/debian sid/main amd64 Packages
linux-source-7.2 | 7.2.12-1 | http://mirror/debian sid/main Sources
";
        assert_eq!(versions(listed), ["7.2.12-1", "7.2.12-1~bpo13+1"]);
        assert!(versions("").is_empty());
    }

    #[test]
    fn upstream_versions_lose_epoch_and_revision() {
        assert_eq!(upstream("7.3.4-1~bpo13+1"), "7.3.4");
        assert_eq!(upstream("1:1.95.0+dfsg1-2"), "1.95.0");
        assert_eq!(upstream("7.3~rc1-1"), "7.3");
    }

    #[test]
    fn the_mirror_is_that_of_a_whole_release() {
        let listed = "http://a/debian-security bookworm-security\nhttp://b/debian/ bookworm\n";
        assert_eq!(main_mirror(listed).as_deref(), Some("http://b/debian"));
        assert_eq!(main_mirror("http://a x-updates\n"), None);
    }
}
