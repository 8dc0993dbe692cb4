// SPDX-License-Identifier: GPL-2.0
/* For idmap_unchecked.cocci: a line with "finds" must be reported, others must not. */

/* ntfs3: system.ntfs_attrib changes the mode. */
static int toy_setxattr(const struct xattr_handler *handler, /* finds */
			struct mnt_idmap *idmap, struct dentry *dentry,
			struct inode *inode, const char *name,
			const void *value, size_t size, int flags)
{
	if (strcmp(name, "system.toy_attrib"))
		return -EOPNOTSUPP;
	inode->i_mode |= 0222;
	mark_inode_dirty(inode);
	return 0;
}

static const struct xattr_handler toy_handler = {
	.prefix	= "",
	.set	= toy_setxattr,
};

/* Right: the owner may. */
static int right_setxattr(const struct xattr_handler *handler,
			  struct mnt_idmap *idmap, struct dentry *dentry,
			  struct inode *inode, const char *name,
			  const void *value, size_t size, int flags)
{
	if (!inode_owner_or_capable(idmap, inode))
		return -EPERM;
	mark_inode_dirty(inode);
	return 0;
}

static const struct xattr_handler right_handler = {
	.prefix	= XATTR_SYSTEM_PREFIX,
	.set	= right_setxattr,
};

/* Right: xattr_permission() has checked names of user.*. */
static int right_user_set(const struct xattr_handler *handler,
			  struct mnt_idmap *idmap, struct dentry *dentry,
			  struct inode *inode, const char *name,
			  const void *value, size_t size, int flags)
{
	mark_inode_dirty(inode);
	return 0;
}

static const struct xattr_handler right_user_handler = {
	.prefix	= XATTR_USER_PREFIX,
	.set	= right_user_set,
};
