// SPDX-License-Identifier: GPL-2.0

//! Architectures that a kernel is built for.

use std::fmt;

use clap::ValueEnum;

/// An architecture, by the name that kbuild has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Arch {
    X86,
    Arm64,
    Riscv,
    Arm,
    Loongarch,
    Powerpc,
    S390,
}

impl Arch {
    /// The file that is booted, below the folder of a build.
    pub(crate) fn image(self) -> &'static str {
        match self {
            Self::X86 => "arch/x86/boot/bzImage",
            Self::Arm64 => "arch/arm64/boot/Image",
            Self::Riscv => "arch/riscv/boot/Image",
            Self::Arm => "arch/arm/boot/zImage",
            Self::Loongarch | Self::Powerpc | Self::S390 => "vmlinux",
        }
    }

    /// The argument of make that chooses it.
    pub(crate) fn make_option(self) -> String {
        format!("ARCH={self}")
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86",
            Self::Arm64 => "arm64",
            Self::Riscv => "riscv",
            Self::Arm => "arm",
            Self::Loongarch => "loongarch",
            Self::Powerpc => "powerpc",
            Self::S390 => "s390",
        })
    }
}
