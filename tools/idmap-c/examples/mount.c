// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Mounts a tree with other owners: mount MAP SOURCE TARGET
 *
 * cc mount.c -lidmap -o mount
 */
#include <idmap.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct idmap_maps *maps;
	int error;

	if (argc != 4) {
		fprintf(stderr, "usage: %s MAP SOURCE TARGET\n", argv[0]);
		return 2;
	}
	error = idmap_maps_parse(argv[1], &maps);
	if (!error) {
		error = idmap_mount(argv[2], argv[3], maps, IDMAP_NO_DEV);
		idmap_maps_free(maps);
	}
	if (error)
		fprintf(stderr, "%s: %s\n", argv[0], idmap_error_message());
	return error ? 1 : 0;
}
