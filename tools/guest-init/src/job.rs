// SPDX-License-Identifier: GPL-2.0

//! What the lab asks for: small files under `/job` in the initramfs.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;

use crate::{Doing, Failure};

/// The way in which a job meets the outside.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command whose output goes through pipes.
    Exec,
    /// The same, as a service of the image's init.
    Boot,
    /// A login shell on the console.
    Shell,
    /// Nothing: the boot itself was the job.
    Halt,
}

/// A directory of the host.
pub(crate) struct Share {
    pub(crate) tag: String,
    pub(crate) path: String,
    pub(crate) writable: bool,
}

/// A disk: its device, what to make on it, and where to mount that.
pub(crate) struct Disk {
    pub(crate) device: String,
    pub(crate) kind: String,
    pub(crate) path: String,
}

/// One job.
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) command: OsString,
    /// What a shell runs before the image's init.
    pub(crate) prepare: OsString,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) shares: Vec<Share>,
    pub(crate) disks: Vec<Disk>,
    /// Rows and columns of the user's terminal.
    pub(crate) window: Option<(u16, u16)>,
}

/// A file of the job; an absent one is empty.
fn part(name: &str) -> Result<Vec<u8>, Failure> {
    match fs::read(format!("/job/{name}")) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        other => other.doing(|| format!("reading /job/{name}")),
    }
}

/// The lines of a file of the job, each split at tabs into `N` fields.
fn table<const N: usize>(name: &str) -> Result<Vec<[String; N]>, Failure> {
    let text = String::from_utf8(part(name)?).doing(|| format!("/job/{name}"))?;
    text.lines()
        .map(|line| {
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            fields
                .try_into()
                .map_err(|_| Failure(format!("/job/{name}: a line without {N} fields: {line}")))
        })
        .collect()
}

impl Job {
    /// Reads the job from the initramfs.
    pub(crate) fn read() -> Result<Job, Failure> {
        let kind = match part("kind")?.as_slice() {
            b"exec" => Kind::Exec,
            b"boot" => Kind::Boot,
            b"shell" => Kind::Shell,
            b"halt" => Kind::Halt,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(Failure(format!("unknown kind of job '{other}'")));
            }
        };
        let environment = part("environment")?
            .split(|&byte| byte == 0)
            .filter_map(|entry| {
                let equals = entry.iter().position(|&byte| byte == b'=')?;
                let (name, value) = (&entry[..equals], &entry[equals + 1..]);
                Some((
                    OsString::from_vec(name.to_vec()),
                    OsString::from_vec(value.to_vec()),
                ))
            })
            .collect();
        let shares = table("shares")?
            .into_iter()
            .map(|[tag, path, mode]| Share {
                tag,
                path,
                writable: mode == "rw",
            })
            .collect();
        let disks = table("disks")?
            .into_iter()
            .map(|[device, kind, path]| Disk { device, kind, path })
            .collect();
        let window = table("window")?
            .first()
            .and_then(|[rows, columns]| Some((rows.parse().ok()?, columns.parse().ok()?)));
        Ok(Job {
            kind,
            command: OsString::from_vec(part("command")?),
            prepare: OsString::from_vec(part("prepare")?),
            environment,
            shares,
            disks,
            window,
        })
    }
}
