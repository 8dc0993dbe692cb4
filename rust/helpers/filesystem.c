// SPDX-License-Identifier: GPL-2.0

/* Inline functions that the abstractions of filesystems call. */

#include <linux/cacheflush.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/posix_acl.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uio.h>

__rust_helper struct kmem_cache *
rust_helper_kmem_cache_create(const char *name, unsigned int size,
			      unsigned int align, slab_flags_t flags,
			      void (*ctor)(void *))
{
	return kmem_cache_create(name, size, align, flags, ctor);
}

__rust_helper void *rust_helper_alloc_inode_sb(struct super_block *sb,
					       struct kmem_cache *cache,
					       gfp_t gfp)
{
	return alloc_inode_sb(sb, cache, gfp);
}

__rust_helper vfsuid_t rust_helper_i_uid_into_vfsuid(struct mnt_idmap *idmap,
						     const struct inode *inode)
{
	return i_uid_into_vfsuid(idmap, inode);
}

__rust_helper vfsgid_t rust_helper_i_gid_into_vfsgid(struct mnt_idmap *idmap,
						     const struct inode *inode)
{
	return i_gid_into_vfsgid(idmap, inode);
}

__rust_helper loff_t rust_helper_i_size_read(const struct inode *inode)
{
	return i_size_read(inode);
}

__rust_helper void rust_helper_i_size_write(struct inode *inode, loff_t size)
{
	i_size_write(inode, size);
}

__rust_helper void rust_helper_inode_lock(struct inode *inode)
{
	inode_lock(inode);
}

__rust_helper void rust_helper_inode_lock_nested(struct inode *inode,
						 unsigned int subclass)
{
	inode_lock_nested(inode, subclass);
}

__rust_helper void rust_helper_inode_unlock(struct inode *inode)
{
	inode_unlock(inode);
}

__rust_helper void rust_helper_insert_inode_hash(struct inode *inode)
{
	insert_inode_hash(inode);
}

__rust_helper void
rust_helper_inode_set_mtime_to_ts(struct inode *inode, struct timespec64 time)
{
	inode_set_mtime_to_ts(inode, time);
}

__rust_helper void rust_helper_inode_set_cached_link(struct inode *inode,
						     char *link, int len)
{
	inode_set_cached_link(inode, link, len);
}

__rust_helper void rust_helper_cache_no_acl(struct inode *inode)
{
	cache_no_acl(inode);
}

__rust_helper int rust_helper_finish_open_simple(struct file *file, int error)
{
	return finish_open_simple(file, error);
}

__rust_helper void rust_helper_folio_lock(struct folio *folio)
{
	folio_lock(folio);
}

__rust_helper void rust_helper_folio_put(struct folio *folio)
{
	folio_put(folio);
}

__rust_helper struct folio *rust_helper_page_folio(struct page *page)
{
	return page_folio(page);
}

__rust_helper bool rust_helper_folio_test_private(const struct folio *folio)
{
	return folio_test_private(folio);
}

__rust_helper bool rust_helper_folio_test_uptodate(const struct folio *folio)
{
	return folio_test_uptodate(folio);
}

__rust_helper void rust_helper_folio_attach_private(struct folio *folio,
						    void *data)
{
	folio_attach_private(folio, data);
}

__rust_helper void *rust_helper_folio_detach_private(struct folio *folio)
{
	return folio_detach_private(folio);
}

__rust_helper void *rust_helper_folio_change_private(struct folio *folio,
						     void *data)
{
	return folio_change_private(folio, data);
}

__rust_helper void *rust_helper_folio_get_private(struct folio *folio)
{
	return folio_get_private(folio);
}

__rust_helper struct inode *rust_helper_folio_inode(struct folio *folio)
{
	return folio_inode(folio);
}

__rust_helper loff_t rust_helper_folio_pos(const struct folio *folio)
{
	return folio_pos(folio);
}

__rust_helper void *rust_helper_kmap_local_folio(const struct folio *folio,
						 size_t offset)
{
	return kmap_local_folio(folio, offset);
}

/*
 * flush_dcache_folio() is an inline function on some architectures only. A
 * helper of another name exists on all of them.
 */
__rust_helper void rust_helper_folio_flush_dcache(struct folio *folio)
{
	flush_dcache_folio(folio);
}

__rust_helper struct mnt_idmap *
rust_helper_file_mnt_idmap(const struct file *file)
{
	return file_mnt_idmap(file);
}

__rust_helper void rust_helper_file_accessed(struct file *file)
{
	file_accessed(file);
}

__rust_helper struct folio *
rust_helper_filemap_get_folio(struct address_space *mapping, pgoff_t index)
{
	return filemap_get_folio(mapping, index);
}

__rust_helper void
rust_helper_mapping_set_unevictable(struct address_space *mapping)
{
	mapping_set_unevictable(mapping);
}

__rust_helper size_t rust_helper_iov_iter_count(const struct iov_iter *iter)
{
	return iov_iter_count(iter);
}

__rust_helper void rust_helper_iov_iter_truncate(struct iov_iter *iter,
						 u64 count)
{
	iov_iter_truncate(iter, count);
}

__rust_helper void rust_helper_iov_iter_reexpand(struct iov_iter *iter,
						 size_t count)
{
	iov_iter_reexpand(iter, count);
}

__rust_helper int rust_helper_cond_resched(void)
{
	return cond_resched();
}

__rust_helper int rust_helper_fatal_signal_pending(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

#ifndef CONFIG_FILE_LOCKING
__rust_helper int rust_helper_generic_setlease(struct file *file, int arg,
					       struct file_lease **lease,
					       void **priv)
{
	return generic_setlease(file, arg, lease, priv);
}
#endif

__rust_helper bool
rust_helper_fileattr_has_fsx(const struct file_kattr *attr)
{
	return fileattr_has_fsx(attr);
}

__rust_helper bool rust_helper_dir_emit(struct dir_context *context,
					const char *name, int length, u64 ino,
					unsigned int type)
{
	return dir_emit(context, name, length, ino, type);
}

__rust_helper bool rust_helper_dir_emit_dots(struct file *file,
					     struct dir_context *context)
{
	return dir_emit_dots(file, context);
}

__rust_helper unsigned long rust_helper_totalram_pages(void)
{
	return totalram_pages();
}

__rust_helper size_t rust_helper_folio_size(const struct folio *folio)
{
	return folio_size(folio);
}

#ifndef CONFIG_SECURITY
__rust_helper int
rust_helper_security_inode_init_security(struct inode *inode, struct inode *dir,
					 const struct qstr *name,
					 const initxattrs set, void *data)
{
	return security_inode_init_security(inode, dir, name, set, data);
}
#endif

#ifndef CONFIG_SECURITY
__rust_helper int
rust_helper_security_inode_listsecurity(struct inode *inode, char **buffer,
					ssize_t *remaining)
{
	return security_inode_listsecurity(inode, buffer, remaining);
}

__rust_helper int rust_helper_security_ismaclabel(const char *name)
{
	return security_ismaclabel(name);
}
#endif

#ifndef CONFIG_DEBUG_LOCK_ALLOC
__rust_helper void
rust_helper_lockdep_annotate_inode_mutex_key(struct inode *inode)
{
	lockdep_annotate_inode_mutex_key(inode);
}
#endif
