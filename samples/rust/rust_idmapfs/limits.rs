// SPDX-License-Identifier: GPL-2.0

//! The limits of pages and inodes.
//!
//! The limit of pages is for the contents of regular files. The limit of inodes bounds all other
//! memory, such as names and extended attributes. Extended attributes in `trusted.` have no limit,
//! but creating them needs `CAP_SYS_ADMIN`.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// A limit and the number in use.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// [`None`] is no limit.
    pub(crate) max: Option<u64>,
    pub(crate) used: u64,
}

impl Limit {
    fn new(max: Option<u64>) -> Self {
        Self { max, used: 0 }
    }

    fn take(&mut self) -> Result {
        if self.max.is_some_and(|max| self.used >= max) {
            return Err(ENOSPC);
        }
        self.used = self.used.checked_add(1).ok_or(ENOSPC)?;
        Ok(())
    }

    fn put(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Returns whether another limit is at least the number in use.
    fn fits(&self, max: Option<u64>) -> bool {
        max.is_none_or(|max| self.used <= max)
    }
}

/// The limits of a superblock.
#[pin_data]
pub(crate) struct Limits {
    #[pin]
    pages: SpinLock<Limit>,
    #[pin]
    inodes: SpinLock<Limit>,
}

/// The limit that cannot be set, because more is in use.
pub(crate) enum InUse {
    Pages,
    Inodes,
}

impl Limits {
    pub(crate) fn new(pages: Option<u64>, inodes: Option<u64>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                pages <- new_spinlock!(Limit::new(pages), "Limits::pages"),
                inodes <- new_spinlock!(Limit::new(inodes), "Limits::inodes"),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn pages(&self) -> Limit {
        *self.pages.lock()
    }

    pub(crate) fn inodes(&self) -> Limit {
        *self.inodes.lock()
    }

    /// Sets the limits that are given, or none of them.
    pub(crate) fn change(
        &self,
        max_pages: Option<Option<u64>>,
        max_inodes: Option<Option<u64>>,
    ) -> Result<(), InUse> {
        let mut pages = self.pages.lock();
        let mut inodes = self.inodes.lock();
        if max_pages.is_some_and(|max| !pages.fits(max)) {
            return Err(InUse::Pages);
        }
        if max_inodes.is_some_and(|max| !inodes.fits(max)) {
            return Err(InUse::Inodes);
        }
        pages.max = max_pages.unwrap_or(pages.max);
        inodes.max = max_inodes.unwrap_or(inodes.max);
        Ok(())
    }

    pub(crate) fn charge_page(&self) -> Result {
        self.pages.lock().take()
    }

    pub(crate) fn uncharge_page(&self) {
        self.pages.lock().put();
    }

    /// Charges an inode to the limit. Dropping the result uncharges it.
    pub(crate) fn charge_inode(limits: &Arc<Self>) -> Result<InodeCount> {
        limits.inodes.lock().take()?;
        Ok(InodeCount(limits.clone()))
    }

    /// Charges a hard link to the limit of inodes.
    pub(crate) fn charge_link(&self) -> Result {
        self.inodes.lock().take()
    }

    /// Uncharges a hard link.
    pub(crate) fn uncharge_link(&self) {
        self.inodes.lock().put();
    }
}

/// An inode that is charged to the limit.
pub(crate) struct InodeCount(Arc<Limits>);

impl Drop for InodeCount {
    fn drop(&mut self) {
        self.0.inodes.lock().put();
    }
}
