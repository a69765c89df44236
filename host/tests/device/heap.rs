//! What the program keeps of memory that it has given back.

use crate::bench::Bench;

/// What glibc reserves for each heap but the first, and what their addresses are multiples of, in bytes.
const HEAP_BYTES: u64 = 64 << 20;

/// The heaps of glibc but the first, in what `/proc/PID/maps` says: of each a part is in use, and the rest is reserved.
fn count_heaps(maps: &str) -> usize {
    let regions: Vec<(u64, u64, bool)> = maps
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let (from, to) = words.next().unwrap().split_once('-').unwrap();
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            (address(from), address(to), words.next().unwrap().starts_with("rw"))
        })
        .collect();
    let pairs = regions.windows(2).filter(|pair| {
        let [(from, used, writable), (rest, to, rest_writable)] = pair else { return false };
        let reserved = from % HEAP_BYTES == 0 && to - from == HEAP_BYTES;
        used == rest && *writable && !rest_writable && reserved
    });
    pairs.count()
}

#[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
#[tokio::test(flavor = "multi_thread")]
async fn all_threads_share_two_heaps() {
    let mut bench = Bench::signed_in().await;
    for deed in ["one", "two", "three"] {
        bench.press(deed).await;
    }
    bench.settle().await;
    let heaps = count_heaps(&bench.maps());
    assert!(heaps <= 1, "{heaps} beside the first");
}
