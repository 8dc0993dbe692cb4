// SPDX-License-Identifier: GPL-2.0
/*
 * fs/mnt_idmapping.c with the prefix oracle_, for comparison with Rust.
 */
#define nop_mnt_idmap		oracle_nop_mnt_idmap
#define invalid_mnt_idmap	oracle_invalid_mnt_idmap
#define alloc_mnt_idmap		oracle_alloc_mnt_idmap
#define mnt_idmap_get		oracle_mnt_idmap_get
#define mnt_idmap_put		oracle_mnt_idmap_put
#define make_vfsuid		oracle_make_vfsuid
#define make_vfsgid		oracle_make_vfsgid
#define from_vfsuid		oracle_from_vfsuid
#define from_vfsgid		oracle_from_vfsgid
#define vfsgid_in_group_p	oracle_vfsgid_in_group_p
#define statmount_mnt_idmap	oracle_statmount_mnt_idmap

#include "mnt_idmapping_oracle.h"
#include "../mnt_idmapping.c"

void oracle_set_namespace_id(struct user_namespace *ns, u64 id)
{
	ns->ns.ns_id = id;
}
