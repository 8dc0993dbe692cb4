// SPDX-License-Identifier: GPL-2.0

//! Prints mounts and their maps.

use std::{fmt::Write, path::Path};

use idmap::{Extent, Mount, MountMap, mount_of};

use crate::width::Width;

/// A mount, and whether another one is in the way to it.
pub(crate) struct Listed {
    mount: Mount,
    is_covered: bool,
}

impl Listed {
    pub(crate) fn new(mount: Mount) -> Self {
        let seen = mount_of(&mount.target);
        let is_covered = seen.is_ok_and(|seen| seen.id != mount.id);
        Self { mount, is_covered }
    }
}

/// As a table for people, or, where that is too wide, as some lines for each mount. A long map is cut.
pub(crate) fn table(mounts: &[Listed], terminal: Width) -> String {
    let mut rows = vec![["TARGET", "FILESYSTEM", "SOURCE", "MAP"].map(str::to_owned)];
    rows.extend(mounts.iter().map(|Listed { mount, is_covered }| {
        let root = visible(&mount.root.to_string_lossy());
        let source = match mount.root.as_os_str().is_empty() || mount.root.as_os_str() == "/" {
            true => visible(&mount.source),
            false => format!("{}[{root}]", visible(&mount.source)),
        };
        let mut target = visible(&mount.target.to_string_lossy());
        if *is_covered {
            target += " (covered)";
        }
        [target, mount.filesystem.clone(), source, map(&mount.map)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or_default());
    let mut text = String::new();
    for [target, filesystem, source, map] in &rows {
        let [a, b, c] = widths;
        let line = format!("{target:a$}  {filesystem:b$}  {source:c$}  {map}");
        text += line.trim_end();
        text.push('\n');
    }
    match terminal.has(&text) {
        true => text,
        false => stacked(&rows),
    }
}

fn stacked(rows: &[[String; 4]]) -> String {
    let lines = rows
        .iter()
        .skip(1)
        .map(|[target, filesystem, source, map]| {
            format!("{target}\n  {filesystem} {source}\n  {map}\n")
        });
    lines.collect()
}

/// A text without control characters, which have octal digits instead, as in /proc/self/mountinfo.
pub(crate) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            for byte in letter.to_string().bytes() {
                // Writing to a string cannot fail.
                let _ = write!(seen, "\\{byte:03o}");
            }
        } else {
            seen.push(letter);
        }
    }
    seen
}

/// A path as a terminal can show it.
pub(crate) fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy())
}

fn map(map: &MountMap) -> String {
    const SHOWN: usize = 4;
    match map {
        MountMap::None => "none".to_owned(),
        MountMap::Maps(maps) => {
            let text = maps.to_string();
            let ranges: Vec<&str> = text.split(' ').collect();
            match ranges.get(..SHOWN) {
                Some(first) if ranges.len() > SHOWN => {
                    format!("{} ... ({} ranges)", first.join(" "), ranges.len())
                }
                _ => text,
            }
        }
        _ => "not shown".to_owned(),
    }
}

/// As JSON, on a line for each mount.
pub(crate) fn json(mounts: &[Listed]) -> String {
    let lines: Vec<String> = mounts.iter().map(object).collect();
    format!(
        "{{\"mounts\":[{}{}]}}\n",
        newline(&lines),
        lines.join(",\n")
    )
}

fn newline(lines: &[String]) -> &'static str {
    if lines.is_empty() { "" } else { "\n" }
}

fn object(Listed { mount, is_covered }: &Listed) -> String {
    let (users, groups) = match &mount.map {
        MountMap::Maps(maps) => (
            ranges(maps.users().extents()),
            ranges(maps.groups().extents()),
        ),
        _ => ("null".to_owned(), "null".to_owned()),
    };
    format!(
        "{{\"id\":{},\"target\":{},\"filesystem\":{},\"source\":{},\"root\":{},\
         \"covered\":{is_covered},\"idmapped\":{},\"users\":{users},\"groups\":{groups}}}",
        mount.id,
        string(&mount.target.to_string_lossy()),
        string(&mount.filesystem),
        string(&mount.source),
        string(&mount.root.to_string_lossy()),
        mount.map.is_some()
    )
}

fn ranges(extents: &[Extent]) -> String {
    let range = |extent: &Extent| {
        let (from, to, range) = (extent.first(), extent.lower_first(), extent.count());
        format!("{{\"from\":{from},\"to\":{to},\"range\":{range}}}")
    };
    format!(
        "[{}]",
        extents.iter().map(range).collect::<Vec<_>>().join(",")
    )
}

/// A text as JSON has it.
pub(crate) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\0'..='\x1f' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_as_digits() {
        assert_eq!(visible("/a\x1b[31m b\n"), "/a\\033[31m b\\012");
        assert_eq!(visible("/\u{9b}ä"), "/\\302\\233ä");
    }

    fn mount(map: MountMap) -> Listed {
        let mut mount = idmap::mount_of("/").unwrap();
        mount.id = 7;
        mount.target = "/a \"b\"\n".into();
        mount.root = "/home".into();
        mount.filesystem = "ext4".to_owned();
        mount.source = "/dev/vda".to_owned();
        mount.map = map;
        Listed {
            mount,
            is_covered: false,
        }
    }

    #[test]
    fn json_is_escaped_and_has_both_maps() {
        let maps = MountMap::Maps("u:0:1:2 g:3:4:5".parse().unwrap());
        assert_eq!(
            json(&[mount(maps)]),
            "{\"mounts\":[\n{\"id\":7,\"target\":\"/a \\\"b\\\"\\u000a\",\"filesystem\":\"ext4\",\
             \"source\":\"/dev/vda\",\"root\":\"/home\",\"covered\":false,\"idmapped\":true,\
             \"users\":[{\"from\":0,\"to\":1,\"range\":2}],\
             \"groups\":[{\"from\":3,\"to\":4,\"range\":5}]}]}\n"
        );
        assert_eq!(json(&[]), "{\"mounts\":[]}\n");
        assert!(json(&[mount(MountMap::Hidden)]).contains("\"idmapped\":true,\"users\":null"));
    }

    #[test]
    fn a_long_map_is_cut() {
        let text: String = (0..9).map(|n| format!("b:{n}:{n}:1 ")).collect();
        let maps = MountMap::Maps(text.parse().unwrap());
        assert_eq!(map(&maps), "b:0:0:1 b:1:1:1 b:2:2:1 b:3:3:1 ... (9 ranges)");
        let table = table(&[mount(maps)], Width::NONE);
        assert!(table.starts_with("TARGET"));
        assert!(
            table.contains("ext4        /dev/vda[/home]  b:0:0:1"),
            "{table}"
        );
    }
}
