//! stand-in
use std::borrow::Cow;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;
pub(crate) const FORMAT: u8 = 1;
#[derive(Clone)]
pub(crate) struct Header { pub lineage: u64, pub created: u64, pub soft: u64, pub hard: u64, pub load_time: u32, pub key_check: u64, pub stamps: SmallVec<[u64; 4]> }
pub(crate) struct Draft(Vec<u8>, Vec<u8>);
impl Draft { pub(crate) fn payload(&mut self) -> &mut Vec<u8> { &mut self.1 }
 pub(crate) fn finish(self, _: Option<usize>, limit: usize) -> Result<Vec<u8>, TooLarge> {
   if self.1.len() > limit { return Err(TooLarge) }
   let mut all = self.0; all.extend(&self.1);
   let mut out = vec![0xCA; 2]; out.extend(xxh3_64(&all).to_le_bytes()); out.extend(all); Ok(out) } }
#[derive(Debug)]
pub(crate) struct TooLarge;
pub(crate) fn start(h: &Header, k: Option<&str>) -> Draft { let mut v = vec![]; for x in [h.created, h.hard, h.key_check] { v.extend(x.to_le_bytes()) }
 let k = k.map_or(u32::MAX.to_le_bytes().to_vec(), |k| { let mut v = (k.len() as u32).to_le_bytes().to_vec(); v.extend(k.as_bytes()); v }); v.extend(k); Draft(v, vec![]) }
pub(crate) fn open(b: &[u8], limit: usize) -> Result<Opened<'_>, Damage> {
 if b.len() < 38 || b[0] != 0xCA || b[1] != 0xCA { return Err(Damage::NotOurs) }
 if xxh3_64(&b[10..]) != u64::from_le_bytes(b[2..10].try_into().unwrap()) { return Err(Damage::Damaged) }
 let n = |i: usize| u64::from_le_bytes(b[i..i+8].try_into().unwrap());
 let kl = u32::from_le_bytes(b[34..38].try_into().unwrap());
 let (full_key, rest) = if kl == u32::MAX { (None, 38) } else { (Some(std::str::from_utf8(&b[38..38+kl as usize]).unwrap()), 38 + kl as usize) };
 if b.len() - rest > limit { return Err(Damage::TooLarge) }
 Ok(Opened { header: Header { lineage: 0, created: n(10), soft: n(18), hard: n(18), load_time: 0, key_check: n(26), stamps: SmallVec::new() }, full_key, payload: Cow::Borrowed(&b[rest..]) }) }
pub(crate) struct Opened<'a> { pub(crate) header: Header, pub(crate) full_key: Option<&'a str>, pub(crate) payload: Cow<'a, [u8]> }
pub(crate) enum Damage { NotOurs, OtherFormat, Damaged, TooLarge, CannotDecompress }
