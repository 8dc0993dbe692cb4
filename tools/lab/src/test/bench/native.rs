// SPDX-License-Identifier: GPL-2.0

//! Seconds of the ways to share files, by User Mode Linux: the kernel runs as a program of this
//! machine, on the processor and not on an emulated one.
//!
//! The calls of `cost calls` are not compared there. A system call of User Mode Linux takes some
//! microseconds more than on a kernel of its own, which is a hundred times the cost of idmapping.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::saved;
use crate::fetch::source;
use crate::fetch::toolchain::Toolchain;
use crate::guest::{image, programs};
use crate::kernel::{self, arch::Arch};
use crate::lab::{Engine, Lab};
use crate::scratch::Scratch;
use crate::{run, tree, ui};

/// The time limit of a boot.
const LIMIT: Duration = Duration::from_secs(1800);
/// The memory of the guest, which has the disk of `cost saved`.
const MEMORY: &str = "mem=1536M";
/// The programs in the guest. guest-init, which finds no job, turns the guest off.
const PROGRAMS: [&str; 2] = ["cost", "guest-init"];
/// Where the guest mounts the directory with its program and output.
const SHARE: &str = "/mnt";

/// Measures the ways to share `files` files with a container, and prints a table.
pub(super) fn bench(lab: &Lab, files: u64) -> Result<()> {
    let output = time(lab, &format!("saved {files} 1"))?;
    println!("\n{files} files for one container, on User Mode Linux:");
    print!("{}", ways(&output)?);
    Ok(())
}

/// Returns the table of the lines that `cost saved` prints.
fn ways(output: &str) -> Result<String> {
    let mut text = String::new();
    for line in output.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, method, _, time, bytes] = words[..] else {
            bail!("cost printed {line:?}, not five columns");
        };
        let name = saved::name(method)?;
        let (time, bytes): (u64, u64) = (time.parse()?, bytes.parse()?);
        let (seconds, mib) = (time as f64 / 1e9, bytes as f64 / f64::from(1 << 20));
        let _ = writeln!(text, "{name:<56}{seconds:>10.3} s{mib:>10.2} MiB");
    }
    Ok(text)
}

/// Runs `cost` on User Mode Linux, and returns its output.
fn time(lab: &Lab, arguments: &str) -> Result<String> {
    source::check(lab)?;
    let (linux, image, programs) = {
        let _lock = lab.cache.lock()?;
        let toolchain = Toolchain::find(lab)?;
        let tree = tree::make(lab)?;
        let uml = lab.with_arch(Arch::Um)?;
        let kernel = kernel::build(&uml, &tree, &toolchain, &Engine::Rust.into())?;
        let programs = programs::build(lab, &PROGRAMS)?;
        (kernel.join("linux"), image::USUAL.get(lab)?, programs)
    };
    let scratch = Scratch::below(&lab.cache.path("run"))?;
    let share = scratch.path();
    for (name, path) in programs {
        fs::copy(path, share.join(&name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let script = format!(
        "export PATH=/usr/sbin:/usr/bin
         mount -t proc proc /proc && mount -t sysfs sysfs /sys &&
         mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp &&
         {SHARE}/cost {arguments} >{SHARE}/output 2>{SHARE}/errors &&
         echo good >{SHARE}/end
         exec {SHARE}/guest-init\n"
    );
    fs::write(share.join("script"), script)?;
    let log = lab.cache.log("bench-native")?;
    // timeout(1) sends the signal that it receives to the guest.
    let mut guest = run::terminated("timeout");
    guest
        .args(["--foreground", "-k", "5", &LIMIT.as_secs().to_string()])
        .arg(&linux)
        .current_dir(share)
        .env("TMPDIR", share)
        .arg(format!(
            "ubd0={},{}",
            share.join("disk").display(),
            image.display()
        ))
        .args([MEMORY, "root=/dev/ubda", "rw", "panic=-1", "stderr=1"])
        .args(["init=/bin/sh", "--", "-c"])
        .arg(format!(
            "\"mount -t hostfs none {SHARE} -o hostfs={} && exec sh {SHARE}/script\"",
            share.display()
        ));
    let label = format!("cost {arguments} on User Mode Linux");
    let output = ui::timed(&label, || run::finished(&mut guest))?;
    fs::write(&log, [output.stdout, output.stderr].concat())?;
    ensure!(
        share.join("end").exists(),
        "cost {arguments} did not succeed on User Mode Linux: {}; its log: {}",
        fs::read_to_string(share.join("errors"))
            .unwrap_or_default()
            .trim(),
        log.display()
    );
    fs::read_to_string(share.join("output")).context("no output of cost")
}

#[cfg(test)]
mod tests {
    use super::ways;

    #[test]
    fn ways_have_seconds_and_mebibytes() {
        let text = ways("saved chown 1 2500000000 1048576\n").unwrap();
        assert!(text.starts_with("chown -R of one tree"));
        assert!(text.ends_with("     2.500 s      1.00 MiB\n"));
        assert!(ways("saved chown 1 25\n").is_err());
        assert!(ways("saved rsync 1 25 0\n").is_err());
    }
}
