// SPDX-License-Identifier: GPL-2.0

//! Machines of other architectures, which QEMU emulates.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::kernel::arch::Arch;
use crate::run;

/// The interval between checks of QEMU.
const TICK: Duration = Duration::from_millis(200);

/// A machine.
pub(crate) struct Board {
    /// The program, and Debian's package of it.
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(super) arguments: &'static [&'static str],
    pub(super) console: &'static str,
}

/// The machine of an architecture, if there is one.
pub(crate) fn of(arch: Arch) -> Option<Board> {
    const COMMON: &str = "virt";
    let board = match arch {
        Arch::Arm64 => Board {
            program: "qemu-system-aarch64",
            package: "qemu-system-arm",
            arguments: &["-machine", COMMON, "-cpu", "cortex-a72"],
            console: "ttyAMA0",
        },
        Arch::Arm => Board {
            program: "qemu-system-arm",
            package: "qemu-system-arm",
            arguments: &["-machine", COMMON, "-cpu", "cortex-a15"],
            console: "ttyAMA0",
        },
        Arch::Riscv => Board {
            program: "qemu-system-riscv64",
            package: "qemu-system-misc",
            arguments: &["-machine", COMMON],
            console: "ttyS0",
        },
        Arch::X86 | Arch::Um | Arch::Loongarch | Arch::Powerpc | Arch::S390 => return None,
    };
    Some(board)
}

impl Board {
    fn command(&self, kernel: &Path, parameters: &str, log: &Path) -> Command {
        let mut qemu = run::bound(self.program);
        qemu.args(self.arguments);
        qemu.args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1G"]);
        qemu.args(["-no-reboot", "-nodefaults", "-no-user-config"]);
        qemu.args(["-display", "none", "-monitor", "none"]);
        qemu.arg("-kernel").arg(kernel);
        let console = self.console;
        qemu.args([
            "-append",
            &format!("console={console} earlycon panic=-1 oops=panic {parameters}"),
        ]);
        qemu.arg("-serial").arg(format!("file:{}", log.display()));
        qemu.stdin(Stdio::null()).stdout(Stdio::null());
        qemu
    }

    /// Boots a kernel that ends by itself, and writes its console to a log.
    pub(crate) fn boot(
        &self,
        kernel: &Path,
        parameters: &str,
        log: &Path,
        limit: Duration,
    ) -> Result<()> {
        let start = Instant::now();
        let mut qemu = self.command(kernel, parameters, log);
        let mut child = qemu
            .spawn()
            .with_context(|| format!("cannot run {}", run::shown(&qemu)))?;
        loop {
            if let Some(status) = child.try_wait()? {
                return match status.success() {
                    true => Ok(()),
                    false => bail!("{}: {status}", run::shown(&qemu)),
                };
            }
            if start.elapsed() > limit {
                child.kill()?;
                child.wait()?;
                bail!(
                    "the kernel did not end within {} s; its log: {}",
                    limit.as_secs(),
                    log.display()
                );
            }
            thread::sleep(TICK);
        }
    }
}
