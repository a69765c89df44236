//! Which devices get a version first.

use semver::Version;

use super::release::Rollout;
use crate::name::PluginName;

/// Whether a device is among the share that gets a version. By a hash of its name together with the version, so that raising
/// the share keeps those that have it, and the next version is not tried on the same ones again.
pub(super) fn is_in_share(device: &str, plugin: &PluginName, version: &Version, rollout: Rollout) -> bool {
    let text = format!("{device}\0{plugin}\0{version}");
    hash(text.as_bytes()) % 100 < u64::from(rollout.percent())
}

/// FNV-1a, and the last step of `SplitMix64`, because FNV's low bits alone are not evenly spread. It is the same in every
/// version of this program: who has a version would lose it otherwise.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(percent: u64, version: &str) -> Vec<u32> {
        let plugin = PluginName::parse("timeclock").unwrap();
        let (version, rollout) = (version.parse().unwrap(), Rollout::parse(percent).unwrap());
        (0..1000_u32).filter(|device| is_in_share(&format!("door-{device}"), &plugin, &version, rollout)).collect()
    }

    #[test]
    fn a_share_of_the_devices_is_about_as_large_as_it_says() {
        assert_eq!((count(0, "1.0.0").len(), count(100, "1.0.0").len()), (0, 1000));
        for percent in [5, 25, 50, 90] {
            let found = count(percent, "1.0.0").len();
            let expected = usize::try_from(percent * 10).unwrap();
            assert!(found.abs_diff(expected) < 50, "{percent} %: {found}");
        }
    }

    #[test]
    fn who_has_a_version_keeps_it_when_the_share_grows() {
        let (some, more) = (count(10, "1.0.0"), count(30, "1.0.0"));
        assert!(some.iter().all(|device| more.contains(device)));
        assert_ne!(some, count(10, "1.0.1"), "the same ones try everything first");
    }

    /// Changing the hash would change who has what.
    #[test]
    fn the_hash_stays_as_it_is() {
        assert_eq!(hash(b"front-door\0timeclock\x001.0.0"), 0x8d79_5492_390a_d5e8);
    }
}
