// SPDX-License-Identifier: GPL-2.0

//! Overlayfs with and without metacopy, on layers with and without a map, where all has
//! to come to the same.

mod battery;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use battery::{AFTER, Action, LOWER, STEPS, Step};
use rustix::io::Errno;

use crate::{
    fixture::Fixture,
    inspect,
    report::{Context, Failure},
    show::{Owner, SyscallResult},
    syscalls::as_user,
    tree::{Entry, make},
};

/// The first id on disk of layers with a map, and how many there are.
const FIRST: u32 = 10000;
const COUNT: u32 = 65536;
/// A user that the idmap has on disk only. Through the mount, no file has this owner.
const BEYOND: u32 = COUNT + 1;

pub(crate) fn run(fixture: &mut Fixture) -> Result<(), Failure> {
    let disk = fixture.plain("disk")?;
    for metacopy in [false, true] {
        for idmapped in [false, true] {
            Overlay::new(fixture, &disk, metacopy, idmapped)?.run(fixture)?;
        }
    }
    Ok(())
}

/// One of the matrix.
struct Overlay {
    metacopy: bool,
    idmapped: bool,
    /// The first id on disk.
    first: u32,
    /// On disk, without any map.
    upper: PathBuf,
    merged: PathBuf,
}

impl Overlay {
    fn new(
        fixture: &mut Fixture,
        disk: &Path,
        metacopy: bool,
        idmapped: bool,
    ) -> Result<Self, Failure> {
        let metacopy_is = if metacopy { "on" } else { "off" };
        let layers_are = if idmapped { "idmapped" } else { "plain" };
        fixture.say(&format!("metacopy={metacopy_is}, {layers_are} layers:"));
        let name = format!("{metacopy_is}-{layers_are}");
        let raw = disk.join(&name);
        let first = if idmapped { FIRST } else { 0 };
        fill(&raw, first)?;
        let acl = format!("u:{}:rw", first + 1000);
        fixture.prepare(&format!(
            "setfacl -m {acl} {}",
            raw.join("lower/acl").display()
        ))?;
        let layers = if idmapped {
            fixture.idmap(
                &format!("b:{FIRST}:0:{COUNT}"),
                &raw,
                &format!("layers-{name}"),
            )?
        } else {
            raw.clone()
        };
        let merged = fixture.directory(&format!("merged-{name}"))?;
        let [lower, upper, work] = ["lower", "upper", "work"].map(|layer| layers.join(layer));
        let options = format!(",metacopy={metacopy_is},redirect_dir=on");
        fixture.overlay(&lower, &upper, &work, &options, &merged)?;
        Ok(Self {
            metacopy,
            idmapped,
            first,
            upper: raw.join("upper"),
            merged,
        })
    }

    fn run(&self, fixture: &mut Fixture) -> Result<(), Failure> {
        for step in STEPS {
            self.step(fixture, step)?;
        }
        // Only this attribute differs between the two, which shows that both were tested.
        let metacopy = inspect::has_xattr(self.upper.join("untouched"), "trusted.overlay.metacopy");
        let what = "the file of which only the mode was changed is without data on the upper layer";
        fixture.check(what, metacopy, Ok(self.metacopy));
        let owner = inspect::owner(self.upper.join("new"));
        let what = "the first file on disk";
        fixture.check(what, owner, Ok(Owner(self.first, self.first)));

        fixture.run(0, &format!("ls -lnR {}", self.merged.display()))?;
        let after = self.after().context("looking at what there is")?;
        let wrong = differences(&after);
        fixture.check(
            "entries that are other than they must be",
            Ok(wrong),
            Ok(Vec::new()),
        );
        self.beyond(fixture);
        fixture.prepare(&format!("umount {}", self.merged.display()))
    }

    fn step(&self, fixture: &mut Fixture, step: &Step) -> Result<(), Failure> {
        let Step { what, user, call } = step;
        let on = |text: &str| text.replace('@', &self.merged.display().to_string());
        match call {
            Action::Call(call, expected) => {
                let answer = as_user(*user, || call(&self.merged));
                fixture.check(what, answer, *expected);
            }
            Action::Run(line) => {
                fixture.succeeds(what, *user, &on(line))?;
            }
            Action::Says(line, words) => {
                let ran = fixture.run(*user, &on(line))?;
                fixture.check(what, Ok(ran.output), Ok(on(words)));
            }
        }
        Ok(())
    }

    /// Formats each entry: type, owner, size and ACL. The owners of the upper layer are mapped
    /// back.
    fn after(&self) -> SyscallResult<String> {
        let mut text = String::new();
        let mut paths = inspect::tree(&self.merged)?;
        paths.sort();
        for path in paths {
            let name = path.strip_prefix(&self.merged).unwrap_or(&path);
            let line = describe(&path, 0)?;
            let upper = match describe(&self.upper.join(name), self.first) {
                Ok(upper) if upper == line => "u".to_owned(),
                Ok(upper) => format!("u has {upper}"),
                Err(Errno::NOENT) => "-".to_owned(),
                Err(errno) => return Err(errno),
            };
            let name = if name.as_os_str().is_empty() {
                Path::new(".")
            } else {
                name
            };
            text += &format!("{} {line} {upper}\n", name.display());
        }
        Ok(text)
    }

    /// Operations that only the idmap denies.
    fn beyond(&self, fixture: &mut Fixture) {
        let refused = |errno| if self.idmapped { Err(errno) } else { Ok(()) };
        let file = self.merged.join("shared/beyond");
        let create = as_user(BEYOND, || crate::syscalls::create(&file));
        fixture.check(
            "a user beyond the map makes a file",
            create,
            refused(Errno::OVERFLOW),
        );
        let given = crate::syscalls::chown(self.merged.join("new"), BEYOND);
        fixture.check(
            "root gives one to that user",
            given,
            refused(Errno::OVERFLOW),
        );
    }
}

/// Formats an entry, with owners less `first`.
fn describe(path: &Path, first: u32) -> SyscallResult<String> {
    let Owner(user, group) = inspect::owner(path)?;
    let back = |id: u32| match id.checked_sub(first) {
        Some(id) => id.to_string(),
        None => format!("!{id}"),
    };
    let mut text = format!("{} {}:{}", inspect::kind(path)?, back(user), back(group));
    // The program is as long as its compiler has made it.
    if text.starts_with('-') && !path.ends_with("program") {
        text += &format!(" {}", inspect::size(path)?);
    }
    match inspect::acl_users(path) {
        Ok(users) => {
            for user in users {
                text += &format!(" {}={}", back(user.user), user.permissions);
            }
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
        Err(errno) => return Err(errno),
    }
    Ok(text)
}

/// Returns the lines that only one of both has; the first few are enough.
fn differences(after: &str) -> Vec<String> {
    let only = |a: &str, b: &str, mark: &str| -> Vec<String> {
        let lines = a
            .lines()
            .filter(|line| !b.lines().any(|other| other == *line));
        lines.map(|line| format!("{mark}{line}")).collect()
    };
    let mut lines = [only(after, AFTER, "+"), only(AFTER, after, "-")].concat();
    lines.truncate(6);
    lines
}

fn fill(root: &Path, first: u32) -> Result<(), Failure> {
    fs::create_dir(root).context("making the directory of the layers")?;
    for layer in [".", "lower", "upper", "work"] {
        make(root, layer, &Entry::Directory, first, 0o755)?;
    }
    let lower = root.join("lower");
    for (name, entry, id, mode) in LOWER {
        make(&lower, name, entry, first + id, *mode)?;
    }
    let program = env::current_exe()
        .and_then(fs::read)
        .context("reading this program")?;
    make(
        &lower,
        "program",
        &Entry::File(&program),
        first + 1000,
        0o4755,
    )
}
