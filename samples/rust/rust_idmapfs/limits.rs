// SPDX-License-Identifier: GPL-2.0

//! How much there may be of pages and inodes, and how much there is.
//!
//! Pages are those with contents of files. What an inode has besides, such as its names, the target
//! of a symbolic link and attributes, is little, and limited by how many inodes there may be; but
//! for attributes that are `trusted.`, which take privilege to make.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};

/// One limit, and what is used of it.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// Without a limit, [`None`].
    pub(crate) most: Option<u64>,
    pub(crate) used: u64,
}

impl Limit {
    fn new(most: Option<u64>) -> Self {
        Self { most, used: 0 }
    }

    fn take(&mut self) -> Result {
        if self.most.is_some_and(|most| self.used >= most) {
            return Err(ENOSPC);
        }
        self.used = self.used.checked_add(1).ok_or(ENOSPC)?;
        Ok(())
    }

    fn give_back(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// Whether `most` would do for what is used.
    fn fits(&self, most: Option<u64>) -> bool {
        most.is_none_or(|most| self.used <= most)
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

/// What stands in the way of other limits.
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

    /// Sets other limits, those that are given; both or none.
    pub(crate) fn change(
        &self,
        pages: Option<Option<u64>>,
        inodes: Option<Option<u64>>,
    ) -> Result<(), InUse> {
        let mut of_pages = self.pages.lock();
        let mut of_inodes = self.inodes.lock();
        if pages.is_some_and(|most| !of_pages.fits(most)) {
            return Err(InUse::Pages);
        }
        if inodes.is_some_and(|most| !of_inodes.fits(most)) {
            return Err(InUse::Inodes);
        }
        of_pages.most = pages.unwrap_or(of_pages.most);
        of_inodes.most = inodes.unwrap_or(of_inodes.most);
        Ok(())
    }

    pub(crate) fn charge_page(&self) -> Result {
        self.pages.lock().take()
    }

    pub(crate) fn uncharge_page(&self) {
        self.pages.lock().give_back();
    }

    /// Takes an inode, which is given back when the result is dropped.
    pub(crate) fn take_inode(limits: &Arc<Self>) -> Result<InodeSlot> {
        limits.inodes.lock().take()?;
        Ok(InodeSlot(limits.clone()))
    }

    /// Takes what a further name of an inode counts for: as much as an inode, since it takes
    /// memory as well.
    pub(crate) fn take_name(&self) -> Result {
        self.inodes.lock().take()
    }

    /// Gives it back.
    pub(crate) fn give_back_name(&self) {
        self.inodes.lock().give_back();
    }
}

/// One inode of those that there may be.
pub(crate) struct InodeSlot(Arc<Limits>);

impl Drop for InodeSlot {
    fn drop(&mut self) {
        self.0.inodes.lock().give_back();
    }
}
