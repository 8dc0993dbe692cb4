// SPDX-License-Identifier: GPL-2.0 OR MIT

//! New maps from old ones.

use kernel::user_namespace::{Extent, IdMap, MAX_EXTENTS, MapError};

use crate::{
    maps::{IdMaps, MapsError},
    range::Kind,
};

impl IdMaps {
    /// These maps and then `next`: what these show as an id is shown as what `next` makes of it.
    ///
    /// Ids that one of them leaves out are left out. That none remain, or that the result has too
    /// many ranges, is an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use idmap::IdMaps;
    ///
    /// let disk_to_host: IdMaps = "b:0:100000:65536".parse()?;
    /// let host_to_seen: IdMaps = "b:100000:0:1000".parse()?;
    /// assert_eq!(disk_to_host.then(&host_to_seen)?.to_string(), "b:0:0:1000");
    /// # Ok::<(), idmap::MapsError>(())
    /// ```
    pub fn then(&self, next: &Self) -> Result<Self, MapsError> {
        Ok(Self {
            users: compose(Kind::Users, self.users(), next.users())?,
            groups: compose(Kind::Groups, self.groups(), next.groups())?,
        })
    }

    /// The maps turned round: what is on disk and what is seen change places.
    ///
    /// # Examples
    ///
    /// ```
    /// use idmap::IdMaps;
    ///
    /// let maps: IdMaps = "b:1000:1001:1".parse()?;
    /// assert_eq!(maps.inverse().to_string(), "b:1001:1000:1");
    /// # Ok::<(), idmap::MapsError>(())
    /// ```
    pub fn inverse(self) -> Self {
        Self {
            users: self.users.into_inverse(),
            groups: self.groups.into_inverse(),
        }
    }
}

fn compose(
    kind: Kind,
    first: &IdMap<Vec<Extent>>,
    next: &IdMap<Vec<Extent>>,
) -> Result<IdMap<Vec<Extent>>, MapsError> {
    let mut room = [Extent::EMPTY; MAX_EXTENTS];
    let result = match first.compose(next, &mut room) {
        Err(MapError::Empty) => return Err(MapsError::NothingShared(kind)),
        Err(MapError::NoRoom) => return Err(MapsError::TooMany(kind, None)),
        other => other,
    };
    result
        .and_then(|map| IdMap::from_storage(map.extents().to_vec()))
        .map_err(|error| MapsError::Text(kind, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn maps(text: &str) -> IdMaps {
        text.parse().unwrap()
    }

    #[test]
    fn what_cannot_be_composed_is_named() {
        let error = maps("b:0:10:1")
            .then(&maps("u:10:0:1 g:11:0:1"))
            .unwrap_err();
        assert_eq!(error, MapsError::NothingShared(Kind::Groups));
        // Each of 200 ranges meets two.
        let ranges = |offset: u32| (0..200).map(move |n| format!("b:{0}:{0}:4 ", n * 4 + offset));
        let (even, odd): (String, String) = (ranges(0).collect(), ranges(2).collect());
        let error = maps(&even).then(&maps(&odd)).unwrap_err();
        assert_eq!(error, MapsError::TooMany(Kind::Users, None));
    }

    proptest! {
        #[test]
        fn composing_is_mapping_twice(a in 0u32..20, b in 0u32..20, c in 0u32..20, n in 1u32..20) {
            let first = maps(&format!("b:{a}:{b}:{n} b:{}:{}:3", a + n, b + n + 5));
            let next = maps(&format!("b:{c}:0:{n} b:{}:100:9", c + n + 1));
            let twice = |id| first.users().down(id).and_then(|id| next.users().down(id));
            match first.then(&next) {
                Ok(both) => for id in 0..100 {
                    prop_assert_eq!(both.users().down(id), twice(id));
                    prop_assert_eq!(both.groups().down(id), twice(id));
                },
                Err(error) => {
                    prop_assert_eq!(error, MapsError::NothingShared(Kind::Users));
                    prop_assert!((0..100).all(|id| twice(id).is_none()));
                }
            }
        }

        #[test]
        fn the_inverse_undoes(a in 0u32..99, b in 0u32..99, n in 1u32..99, id in 0u32..200) {
            let forward = maps(&format!("b:{a}:{b}:{n}"));
            let back = forward.clone().inverse();
            prop_assert_eq!(back.users().up(id), forward.users().down(id));
            if let Some(seen) = forward.users().down(id) {
                prop_assert_eq!(back.users().down(seen), Some(id));
            }
        }
    }
}
