//! Netlink, nftables, DNS sockets, CNI.
