//! Signatures with private keys, by the library that TLS uses. It knows neither grants nor what is signed.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use punchcard_core::http::Algorithm;

/// Signs `text` with a private key in PKCS#8 DER, as RFC 7518 §3.3 and §3.4 have it.
///
/// # Errors
/// When the key is none for this algorithm; a fragment for a person, without anything of the key.
pub(crate) fn sign(algorithm: Algorithm, key: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    let unfit = || format!("holds a private key that can't be used for {}", algorithm.name());
    match algorithm {
        Algorithm::Rs256 => {
            let key = RsaKeyPair::from_pkcs8(key).map_err(|_| unfit())?;
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).map_err(|_| unfit())?;
            Ok(signature)
        }
        Algorithm::Es256 => {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key).map_err(|_| unfit())?;
            let signature = key.sign(&SystemRandom::new(), text).map_err(|_| unfit())?;
            Ok(signature.as_ref().to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn who_has_the_public_key_finds_the_signature_right() {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = rsa.as_der().unwrap();
        let signature = sign(Algorithm::Rs256, der.as_ref(), b"text").unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key().as_ref());
        assert!(public.verify(b"text", &signature).is_ok());
        assert!(public.verify(b"test", &signature).is_err());
        assert_eq!(
            sign(Algorithm::Es256, der.as_ref(), b"text").unwrap_err(),
            "holds a private key that can't be used for ES256"
        );

        let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = curve.to_pkcs8v1().unwrap();
        let signature = sign(Algorithm::Es256, der.as_ref(), b"text").unwrap();
        // R and S, 32 bytes each, and no ASN.1 around them.
        assert_eq!(signature.len(), 64);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, curve.public_key().as_ref());
        assert!(public.verify(b"text", &signature).is_ok());
        assert!(sign(Algorithm::Rs256, der.as_ref(), b"text").is_err());
        assert!(sign(Algorithm::Es256, b"no key", b"text").is_err());
    }
}
