//! Elements of nftables maps (`linux/netfilter/nf_tables.h`), changed in one transaction.
//!
//! Tables, chains and maps are loaded by `nft`; only elements change often enough to be
//! worth the encoding: 6 µs instead of a process.

use super::{Batch, Failure, Socket};

const NFNL_SUBSYS_NFTABLES: u16 = 10;
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_DELSETELEM: u16 = 14;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_VERDICT_CHAIN: u16 = 2;
const NFT_GOTO: i32 = -4;
const NF_DROP: i32 = 0;

/// What a map finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nothing: the map is a set.
    Member,
    /// Bytes as in registers.
    Value(Vec<u8>),
    /// Go on in a chain.
    Goto(String),
    /// Drop the packet.
    Drop,
}

/// Bytes of a key or value as nftables' registers hold it: each part padded to four bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Register(pub Vec<u8>);

impl Register {
    /// Appends a part, in network order but for plain integers.
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
}

/// Changes of elements that happen all at once or not at all.
pub(crate) struct Transaction<'a> {
    table: &'a str,
    batch: Batch,
}

impl<'a> Transaction<'a> {
    /// Nothing yet.
    pub fn new(table: &'a str) -> Self {
        let mut batch = Batch::default();
        batch.message(NFNL_MSG_BATCH_BEGIN, 0, &header(libc::AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
        Self { table, batch }
    }

    /// Adds an element, which must not be there with other data.
    pub fn add(&mut self, map: &str, key: &Register, data: &Data) {
        self.element(NFT_MSG_NEWSETELEM, libc::NLM_F_CREATE, map, key, data);
    }

    /// Removes an element, which must be there.
    pub fn remove(&mut self, map: &str, key: &Register) {
        self.element(NFT_MSG_DELSETELEM, 0, map, key, &Data::Member);
    }

    /// Makes it happen.
    pub fn commit(mut self, socket: &mut Socket) -> Result<(), Failure> {
        if self.batch.len() == 1 {
            return Ok(());
        }
        self.batch.acknowledge_last();
        self.batch.message(NFNL_MSG_BATCH_END, 0, &header(libc::AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
        socket.request(self.batch)
    }

    fn element(&mut self, message: u16, flags: i32, map: &str, key: &Register, data: &Data) {
        let kind = NFNL_SUBSYS_NFTABLES << 8 | message;
        self.batch
            .message(kind, flags, &header(libc::AF_INET, 0))
            .text(NFTA_SET_ELEM_LIST_TABLE, self.table)
            .text(NFTA_SET_ELEM_LIST_SET, map)
            .nest(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
                list.nest(NFTA_LIST_ELEM, |element| {
                    element.nest(NFTA_SET_ELEM_KEY, |value| {
                        value.attribute(NFTA_DATA_VALUE, &key.0);
                    });
                    match data {
                        Data::Member => {}
                        Data::Value(bytes) => {
                            element.nest(NFTA_SET_ELEM_DATA, |value| {
                                value.attribute(NFTA_DATA_VALUE, bytes);
                            });
                        }
                        Data::Goto(chain) => verdict(element, NFT_GOTO, Some(chain)),
                        Data::Drop => verdict(element, NF_DROP, None),
                    }
                });
            });
    }
}

fn verdict(element: &mut Batch, code: i32, chain: Option<&str>) {
    element.nest(NFTA_SET_ELEM_DATA, |data| {
        data.nest(NFTA_DATA_VERDICT, |verdict| {
            verdict.attribute(NFTA_VERDICT_CODE, &code.to_be_bytes());
            if let Some(chain) = chain {
                verdict.text(NFTA_VERDICT_CHAIN, chain);
            }
        });
    });
}

/// `struct nfgenmsg`.
pub(crate) fn header(family: i32, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family as u8, 0, high, low]
}
