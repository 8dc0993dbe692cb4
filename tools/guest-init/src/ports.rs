// SPDX-License-Identifier: GPL-2.0

//! The virtio ports that lead to the lab: output, errors, and how it ended.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::job::Kind;
use crate::{Doing, Failure};

/// How long the ports may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);

/// The open ports. Output and errors exist only for a command.
pub(crate) struct Ports {
    status: File,
    pub(crate) output: Option<File>,
    pub(crate) errors: Option<File>,
}

impl Ports {
    /// Finds the ports by the names that the lab gave them, as they come up one after the other.
    pub(crate) fn open(kind: Kind) -> Result<Ports, Failure> {
        let start = Instant::now();
        let wait = |name: &str| loop {
            if let Some(port) = find(name)? {
                return Ok(port);
            }
            if start.elapsed() > PATIENCE {
                return Err(Failure(format!("the {name} port did not appear")));
            }
            sleep(Duration::from_millis(10));
        };
        let is_command = matches!(kind, Kind::Exec | Kind::Boot);
        Ok(Ports {
            status: wait("status")?,
            output: is_command.then(|| wait("output")).transpose()?,
            errors: is_command.then(|| wait("errors")).transpose()?,
        })
    }

    /// Sends one line to the lab.
    pub(crate) fn report(&mut self, line: &str) -> Result<(), Failure> {
        let line = format!("{}\n", line.replace('\n', " "));
        self.status
            .write_all(line.as_bytes())
            .doing(|| "writing to the status port".to_owned())
    }
}

/// Opens the port of this name, if there is one.
fn find(name: &str) -> Result<Option<File>, Failure> {
    let Ok(entries) = fs::read_dir("/sys/class/virtio-ports") else {
        return Ok(None);
    };
    for entry in entries.flatten() {
        let is = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
        if is.trim_end() == name {
            let device = format!("/dev/{}", entry.file_name().to_string_lossy());
            let port = OpenOptions::new().write(true).open(&device);
            return port.map(Some).doing(|| format!("opening {device}"));
        }
    }
    Ok(None)
}
