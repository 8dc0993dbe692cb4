// SPDX-License-Identifier: GPL-2.0

//! Architectures that a kernel is built for.

use std::fmt;

use clap::ValueEnum;

/// An architecture, by the name that kbuild has for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Arch {
    X86,
    /// User Mode Linux, a kernel that is a program. Only for measurements and unit tests.
    #[value(skip)]
    Um,
    Arm64,
    Riscv,
    Arm,
    Loongarch,
    Powerpc,
    S390,
}

impl Arch {
    /// The file that is booted, below the directory of a build.
    pub(crate) fn image(self) -> &'static str {
        match self {
            Self::X86 => "arch/x86/boot/bzImage",
            Self::Um => "linux",
            Self::Arm64 => "arch/arm64/boot/Image",
            Self::Riscv => "arch/riscv/boot/Image",
            Self::Arm => "arch/arm/boot/zImage",
            Self::Loongarch | Self::Powerpc | Self::S390 => "vmlinux",
        }
    }

    /// Its name, which is that of the target of make, too.
    pub(crate) fn image_name(self) -> &'static str {
        let image = self.image();
        image.rsplit('/').next().unwrap_or(image)
    }

    /// The triple of programs for it, where guests are.
    pub(crate) fn triple(self) -> Option<&'static str> {
        match self {
            Self::X86 => Some("x86_64-unknown-linux-gnu"),
            Self::Arm64 => Some("aarch64-unknown-linux-gnu"),
            Self::Riscv => Some("riscv64gc-unknown-linux-gnu"),
            Self::Um | Self::Arm | Self::Loongarch | Self::Powerpc | Self::S390 => None,
        }
    }

    /// The triple that Debian and clang have for it.
    pub(crate) fn debian_triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Riscv => "riscv64-linux-gnu",
            _ => "x86_64-linux-gnu",
        }
    }

    /// Debian's architecture.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Riscv => "riscv64",
            _ => "amd64",
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
            Self::Um => "um",
            Self::Arm64 => "arm64",
            Self::Riscv => "riscv",
            Self::Arm => "arm",
            Self::Loongarch => "loongarch",
            Self::Powerpc => "powerpc",
            Self::S390 => "s390",
        })
    }
}
