// SPDX-License-Identifier: GPL-2.0

//! The disks that a guest gets: `DISKS='ext4 xfs:1G raw:64M'`.

use anyhow::{Context, Result, bail, ensure};

const MIB: u64 = 1 << 20;
const DEFAULT_SIZE: u64 = 512 * MIB;
/// The letters of the disks: vda is the root filesystem.
const LETTERS: &str = "bcdefghijklmnopq";

/// The contents of disks, and the minimum size that the tool accepts.
const KINDS: &[(&str, u64)] = &[
    ("ext4", 16 * MIB),
    ("xfs", 300 * MIB),
    ("btrfs", 128 * MIB),
    ("vfat", MIB),
    ("msdos", MIB),
    ("raw", MIB),
];

/// One disk of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) kind: &'static str,
    pub(crate) bytes: u64,
    /// The device in the guest.
    pub(crate) device: String,
    /// The mount point, or the device for `raw`.
    pub(crate) path: String,
}

/// Reads a list of disks.
pub(crate) fn parse(list: &str) -> Result<Vec<Disk>> {
    let mut disks: Vec<Disk> = Vec::new();
    for word in list.split_whitespace() {
        let (name, size) = match word.split_once(':') {
            Some((name, size)) => (name, Some(size)),
            None => (word, None),
        };
        let Some(&(kind, least)) = KINDS.iter().find(|(kind, _)| *kind == name) else {
            let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
            bail!(
                "DISKS: '{name}' is no kind of disk; there are: {} \
                 (tmpfs and overlayfs need no disk: mount them in CMD)",
                kinds.join(" ")
            );
        };
        let bytes = size
            .map_or(Ok(DEFAULT_SIZE), bytes)
            .with_context(|| format!("DISKS: '{word}'"))?;
        ensure!(
            bytes >= least,
            "DISKS: '{word}': {kind} needs at least {}M",
            least / MIB
        );
        let Some(letter) = LETTERS.chars().nth(disks.len()) else {
            bail!("DISKS: more than {} disks", LETTERS.len());
        };
        let device = format!("/dev/vd{letter}");
        let same = disks.iter().filter(|disk| disk.kind == kind).count();
        let path = match (kind, same) {
            ("raw", _) => device.clone(),
            (_, 0) => format!("/disk/{kind}"),
            _ => format!("/disk/{kind}-{}", same + 1),
        };
        disks.push(Disk {
            kind,
            bytes,
            device,
            path,
        });
    }
    Ok(disks)
}

/// Reads a size: a number and one of K, M, G.
fn bytes(size: &str) -> Result<u64> {
    let wrong = || format!("'{size}' is no size; right would be 512M or 2G");
    let unit = match size.chars().last() {
        Some('K') => 1 << 10,
        Some('M') => MIB,
        Some('G') => 1 << 30,
        _ => bail!(wrong()),
    };
    let number: u64 = size[..size.len() - 1].parse().ok().with_context(wrong)?;
    number.checked_mul(unit).with_context(wrong)
}

/// Returns the environment variables about disks for a command in the guest.
///
/// `DISK1`, `DISK2` ... are the paths, `DISK1_KIND` is the contents, and
/// `DISK1_DEV` the device.
pub(crate) fn environment(disks: &[Disk]) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    for (index, disk) in disks.iter().enumerate() {
        let name = format!("DISK{}", index + 1);
        variables.push((name.clone(), disk.path.clone()));
        variables.push((format!("{name}_KIND"), disk.kind.to_owned()));
        variables.push((format!("{name}_DEV"), disk.device.clone()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(list: &str) -> String {
        format!("{:#}", parse(list).unwrap_err())
    }

    #[test]
    fn a_list_gives_devices_and_paths() {
        let disks = parse(" ext4  xfs:1G ext4:64M raw").unwrap();
        let seen: Vec<_> = disks
            .iter()
            .map(|disk| {
                (
                    disk.kind,
                    disk.bytes / MIB,
                    disk.device.as_str(),
                    disk.path.as_str(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("ext4", 512, "/dev/vdb", "/disk/ext4"),
                ("xfs", 1024, "/dev/vdc", "/disk/xfs"),
                ("ext4", 64, "/dev/vdd", "/disk/ext4-2"),
                ("raw", 512, "/dev/vde", "/dev/vde"),
            ]
        );
        assert_eq!(parse("").unwrap(), []);
        assert!(environment(&disks).contains(&("DISK3_KIND".into(), "ext4".into())));
    }

    #[test]
    fn wrong_lists_are_named() {
        assert!(error("zfs").contains("'zfs' is no kind of disk"));
        assert!(error("ext4:big").contains("'big' is no size"));
        assert!(error("ext4:12").contains("'12' is no size"));
        assert!(error("ext4:").contains("'' is no size"));
        assert!(error("ext4:99999999999999G").contains("is no size"));
        assert!(error("ext4:1\u{fc}").contains("is no size"));
        assert!(error("xfs:64M").contains("at least 300M"));
        assert!(error(&"ext4 ".repeat(17)).contains("more than 16"));
    }
}
