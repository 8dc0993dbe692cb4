// SPDX-License-Identifier: GPL-2.0

//! The table of numbers: maps, and an id at each place that it passes.

use anyhow::{Context, Result, bail, ensure};
use kernel::user_namespace::{Extent, IdMap};

/// The heads of the columns.
const HEADS: [&str; 9] = [
    "picture",
    "filesystem",
    "mount",
    "caller",
    "disk",
    "inode",
    "mount id",
    "shown",
    "created",
];
/// The word for a map of all ids to themselves.
const ALL: &str = "all";
/// The word for no id.
const NONE: &str = "none";
/// The id that is shown for no id.
const OVERFLOW: u32 = 65534;

/// The id at each place. [`None`] is no id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    /// On disk.
    pub(crate) disk: u32,
    /// In `inode->i_uid`.
    pub(crate) inode: Option<u32>,
    /// Seen through the mount, before the user namespace of the caller.
    pub(crate) mount: Option<u32>,
    /// The number that stat(2) returns.
    pub(crate) shown: u32,
    /// The owner on disk of a file that the caller with this number creates. [`None`] is
    /// `EOVERFLOW`.
    pub(crate) created: Option<u32>,
}

/// A row of the table.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The map of the filesystem's user namespace, of the mount, and of the caller's user namespace.
    pub(crate) maps: [String; 3],
    pub(crate) ids: Ids,
}

impl Row {
    /// The name of the picture's file.
    pub(crate) fn file(&self) -> String {
        format!("rust-idmapping-{}.svg", self.name)
    }

    /// Computes all numbers from the one on disk.
    pub(crate) fn computed(&self) -> Result<Ids> {
        let [filesystem, mount, caller] = self.maps.each_ref().map(|text| map(text));
        let (filesystem, mount, caller) = (filesystem?, mount?, caller?);
        let disk = self.ids.disk;
        // make_kuid(), make_vfsuid() and from_kuid_munged(): see Documentation/filesystems.
        let inode = filesystem.down(disk);
        let seen = inode
            .and_then(|id| filesystem.up(id))
            .and_then(|id| mount.down(id));
        let shown = seen.and_then(|id| caller.up(id)).unwrap_or(OVERFLOW);
        // The caller has the number of the owner that is shown, or of the one on disk.
        let number = if seen.is_some() { shown } else { disk };
        let created = caller
            .down(number)
            .and_then(|id| mount.up(id))
            .and_then(|id| filesystem.down(id))
            .and_then(|id| filesystem.up(id));
        Ok(Ids {
            disk,
            inode,
            mount: seen,
            shown,
            created,
        })
    }
}

/// Reads a map.
fn map(text: &str) -> Result<IdMap<Vec<Extent>>> {
    let text = match text {
        ALL => "0 0 4294967295",
        text => text,
    };
    IdMap::parse_vec(text).map_err(|error| anyhow::anyhow!("{text}: {error}"))
}

/// Reads the table of a document, the first one with these columns.
pub(crate) fn parse(document: &str) -> Result<Vec<Row>> {
    let mut lines = document.lines();
    let mut border = "";
    for line in lines.by_ref() {
        if line.starts_with("picture ") {
            break;
        }
        border = line;
    }
    let columns = columns(border)?;
    let cells = |line: &str| -> Vec<String> {
        let cell = |&(start, end): &(usize, usize)| {
            let end = end.min(line.len());
            line.get(start..end).unwrap_or_default().trim().to_owned()
        };
        columns.iter().map(cell).collect()
    };
    lines.next().context("no border below the heads")?;
    let mut rows = Vec::new();
    for line in lines {
        if line.starts_with('=') {
            ensure!(!rows.is_empty(), "the table has no rows");
            return Ok(rows);
        }
        let cells: [String; HEADS.len()] = cells(line)
            .try_into()
            .map_err(|_| anyhow::anyhow!("{line}: too few cells"))?;
        rows.push(row(cells).with_context(|| line.to_owned())?);
    }
    bail!("the table has no end")
}

/// The first and last position of each column.
fn columns(border: &str) -> Result<Vec<(usize, usize)>> {
    let mut columns = Vec::new();
    let mut position = 0;
    for part in border.split_inclusive(' ') {
        let width = part.trim_end().len();
        if width > 0 {
            columns.push((position, position + width));
        }
        position += part.len();
    }
    ensure!(
        columns.len() == HEADS.len(),
        "the table has {} columns, not {}: {}",
        columns.len(),
        HEADS.len(),
        HEADS.join(", ")
    );
    Ok(columns)
}

/// Reads the cells of a row.
fn row(cells: [String; HEADS.len()]) -> Result<Row> {
    let [
        name,
        filesystem,
        mount,
        caller,
        disk,
        inode,
        seen,
        shown,
        created,
    ] = cells;
    let id = |text: &str, prefix: &str| -> Result<Option<u32>> {
        if text == NONE || text == "EOVERFLOW" {
            return Ok(None);
        }
        let number = text.strip_prefix(prefix);
        let number = number.with_context(|| format!("'{text}' has no {prefix}"))?;
        Ok(Some(number.parse()?))
    };
    Ok(Row {
        name,
        maps: [filesystem, mount, caller],
        ids: Ids {
            disk: disk.parse()?,
            inode: id(&inode, "k")?,
            mount: id(&seen, "v")?,
            shown: shown.parse()?,
            created: id(&created, "")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(row: &str) -> String {
        format!(
            "text\n\n\
             ======= ========== ========= ====== ==== ===== ======== ===== =========\n\
             picture filesystem mount     caller disk inode mount id shown created\n\
             ======= ========== ========= ====== ==== ===== ======== ===== =========\n\
             {row}\n\
             ======= ========== ========= ====== ==== ===== ======== ===== =========\n"
        )
    }

    #[test]
    fn wrong_number_differs_from_the_computed_one() {
        let right = "a       all        10 20 1   all    10   k10   v20      20    10";
        let rows = parse(&table(right)).unwrap();
        assert_eq!(rows[0].ids, rows[0].computed().unwrap());
        let wrong = right.replace("v20", "v21");
        let rows = parse(&table(&wrong)).unwrap();
        assert_ne!(rows[0].ids, rows[0].computed().unwrap());
    }

    #[test]
    fn id_outside_of_the_map_is_none() {
        let row = "a       all        10 20 1   all    11   k11   none     65534 EOVERFLOW";
        let rows = parse(&table(row)).unwrap();
        assert_eq!(rows[0].ids, rows[0].computed().unwrap());
    }

    #[test]
    fn document_without_the_table_is_refused() {
        assert!(parse("text\n").is_err());
        assert!(parse(&table("a")).is_err());
    }
}
