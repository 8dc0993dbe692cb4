// SPDX-License-Identifier: GPL-2.0

//! The caller of `explain`, by its ids or by names.

/// The caller of `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) groups: Vec<u32>,
}

impl Who {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let number = |word: &str| word.parse().ok().filter(|id| *id != u32::MAX);
        let unknown = |word: &str, kind| {
            format!(
                "'{word}' is neither an id nor the name of a {kind}: expected \
                 USER[:GROUP[,GROUP]...], such as 1000:1000,27 or nobody"
            )
        };
        let user = |word| number(word).or_else(|| idmap::account(word).map(|(user, _)| user));
        let group = |word| number(word).or_else(|| idmap::group(word));
        let Some((name, groups)) = text.split_once(':') else {
            if let Some(user) = number(text) {
                return Ok(Self {
                    user,
                    group: user,
                    groups: Vec::new(),
                });
            }
            let (user, group) = idmap::account(text).ok_or_else(|| unknown(text, "user"))?;
            return Ok(Self {
                user,
                group,
                groups: idmap::account_groups(text).unwrap_or_default(),
            });
        };
        let groups = groups.split(',');
        let mut groups = groups.map(|word| group(word).ok_or_else(|| unknown(word, "group")));
        Ok(Self {
            user: user(name).ok_or_else(|| unknown(name, "user"))?,
            group: groups.next().unwrap_or_else(|| Err(unknown("", "group")))?,
            groups: groups.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_read() {
        let who = |text: &str| Who::parse(text);
        let expected = |user, group, groups: &[u32]| {
            let groups = groups.to_vec();
            Ok(Who {
                user,
                group,
                groups,
            })
        };
        assert_eq!(who("5"), expected(5, 5, &[]));
        assert_eq!(who("5:6"), expected(5, 6, &[]));
        assert_eq!(who("5:6,7,8"), expected(5, 6, &[7, 8]));
        assert_eq!(who("root:root,7"), expected(0, 0, &[7]));
        let root = who("root").unwrap();
        assert_eq!((root.user, root.group), (0, 0));
        for wrong in [
            "",
            "no such user",
            "5:",
            "5:6,",
            "4294967295",
            "-1",
            "5:no such group",
        ] {
            let error = who(wrong).unwrap_err();
            assert!(error.contains("is neither an id"), "{wrong}: {error}");
        }
    }
}
