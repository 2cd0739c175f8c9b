/* SPDX-License-Identifier: MIT */
/* kernelmap.c: maps a packet ring, memory that the kernel writes by itself (man 7 packet). Exit 77 if it can't. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

int main(void)
{
	struct tpacket_req req = { 4096, 4, 2048, 8 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req))) {
		perror("packet ring");
		return 77;
	}
	char *ring = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED) {
		perror("mmap");
		return 77;
	}
	printf("mapped, first byte %d\n", *(volatile char *)ring);
	return 0;
}
