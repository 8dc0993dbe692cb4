// SPDX-License-Identifier: GPL-2.0

//! The command line of QEMU.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::guest::board;
use crate::guest::boot::{Job, Machine, Options};
use crate::run;

/// The program for x86-64.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// The implementation of the guest's processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accelerator {
    /// Translation: slower, and available on each machine.
    Tcg,
    /// Translation on one processor, with a clock that counts instructions.
    Icount,
    /// The machine's own processor.
    Kvm,
}

impl Accelerator {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tcg => &["-accel", "tcg,thread=multi", "-smp", "2"],
            Self::Icount => &["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp", "1"],
            Self::Kvm => &["-accel", "kvm", "-smp", "2"],
        }
    }
}

/// A value inside a comma-separated option.
fn value(path: &Path) -> Result<String> {
    let path = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8, which QEMU needs", path.display()))?;
    Ok(path.replace(',', ",,"))
}

/// QEMU for one boot. Its sockets, disks and temporary files are in `dir`.
pub(crate) fn command(
    machine: &Machine,
    options: &Options,
    accelerator: Accelerator,
    dir: &Path,
) -> Result<Command> {
    let board = board::of(machine.arch);
    let program = board.as_ref().map_or(PROGRAM, |board| board.program);
    let mut qemu = run::bound(program);
    // The snapshot of the image is a temporary file, too.
    qemu.current_dir(dir).env("TMPDIR", dir);
    qemu.args(accelerator.arguments());
    match (&board, accelerator) {
        (Some(board), _) => qemu.args(board.arguments),
        (None, Accelerator::Kvm) => qemu.args(["-cpu", "host"]),
        (None, _) => qemu.args(["-cpu", "max"]),
    };
    qemu.args(["-m", "2G", "-no-reboot", "-nodefaults", "-no-user-config"]);
    qemu.args(["-display", "none", "-monitor", "none"]);
    qemu.arg("-kernel").arg(&machine.kernel);
    qemu.args(["-initrd", "initramfs"]);
    let console = board.as_ref().map_or("ttyS0", |board| board.console);
    qemu.args(["-append", &parameters(console, options)]);
    qemu.args([
        "-chardev",
        "file,id=kernel,path=kernel.log",
        "-serial",
        "chardev:kernel",
    ]);
    qemu.args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]);
    port(&mut qemu, "status");
    match options.job {
        Job::Exec(_) | Job::Boot { .. } => {
            port(&mut qemu, "output");
            port(&mut qemu, "errors");
        }
        Job::Shell => {
            qemu.args(["-chardev", "stdio,id=console,signal=off"]);
            qemu.args(["-device", "virtconsole,chardev=console"]);
        }
        Job::Halt => {}
    }
    if let Some(image) = &machine.image {
        let file = value(image)?;
        drive(&mut qemu, "root", &format!("{file},snapshot=on"));
    }
    for (index, disk) in options.disks.iter().enumerate() {
        let name = format!("disk{}", index + 1);
        let path = dir.join(&name);
        File::create(&path)
            .and_then(|file| file.set_len(disk.bytes))
            .with_context(|| format!("cannot make {}", path.display()))?;
        drive(&mut qemu, &name, &format!("{name},cache=unsafe"));
    }
    for (index, share) in options.shares.iter().enumerate() {
        let mode = if share.writable { "" } else { ",readonly=on" };
        qemu.arg("-fsdev").arg(format!(
            "local,id=share{index},path={},security_model=none,multidevs=remap{mode}",
            value(&share.host)?
        ));
        qemu.arg("-device").arg(format!(
            "virtio-9p-pci,fsdev=share{index},mount_tag=share{index}"
        ));
    }
    Ok(qemu)
}

/// The kernel's command line.
fn parameters(console: &str, options: &Options) -> String {
    // On a busy machine the emulated timer may be too late for the test of it, which panics.
    let fixed = format!("console={console} panic=-1 oops=panic random.trust_cpu=on no_timer_check");
    std::iter::once(fixed.as_str())
        .chain(options.parameters.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A port that leads to a socket of ours.
fn port(qemu: &mut Command, name: &str) {
    qemu.arg("-chardev")
        .arg(format!("socket,id={name},path={name}"));
    qemu.arg("-device")
        .arg(format!("virtserialport,chardev={name},name={name}"));
}

/// A disk, as the next /dev/vdX.
fn drive(qemu: &mut Command, id: &str, file: &str) {
    qemu.arg("-drive").arg(OsString::from(format!(
        "if=none,id={id},format=raw,file={file}"
    )));
    qemu.arg("-device")
        .arg(format!("virtio-blk-pci,drive={id}"));
}
