// SPDX-License-Identifier: GPL-2.0
/* For idmap_drop.cocci: a line with "finds" must be reported, others must not. */

static int toy_permission(struct mnt_idmap *idmap, struct inode *inode, int mask) /* finds */
{
	return toy_compare(inode, mask);
}

static int toy_create(struct mnt_idmap *idmap, struct inode *dir, /* finds */
		      struct dentry *dentry, umode_t mode)
{
	return toy_mknod(&nop_mnt_idmap, dir, dentry, mode | S_IFREG, 0);
}

static int toy_tmpfile(struct mnt_idmap *idmap, struct inode *dir, /* finds */
		       struct file *file, umode_t mode)
{
	d_tmpfile(file, toy_new_inode(dir, mode));
	return finish_open_simple(file, 0);
}

const struct inode_operations toy_file_inode_operations = {
	.setattr	= simple_setattr,
	.getattr	= simple_getattr, /* finds */
};

/* Right: the new inode gets its owner through the idmap. */
static struct dentry *right_mkdir(struct mnt_idmap *idmap, struct inode *dir,
				  struct dentry *dentry, umode_t mode)
{
	d_instantiate(dentry, right_new_inode(idmap, dir, mode | S_IFDIR));
	return NULL;
}

/* Right: there is nothing to make. */
static int right_mknod(struct mnt_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, umode_t mode, dev_t rdev)
{
	return -EIO;
}

/* Right: vfs_fileattr_set() has checked the owner. */
static int right_fileattr_set(struct mnt_idmap *idmap, struct dentry *dentry,
			      struct file_kattr *fa)
{
	return toy_set_flags(d_inode(dentry), fa->flags);
}
