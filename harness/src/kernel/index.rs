//! Reads the archive's `Packages` files and finds the newest kernel of a series.

use super::digest::Sha256;
use super::lock::PinnedPackage;
use super::series::Series;
use super::version::compare_versions;

/// A package in a `Packages` file (Debian Policy 5.3, Debian's repository format).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) pin: PinnedPackage,
    /// The names of the packages it depends on, including all alternatives.
    pub(super) depends: Vec<String>,
}

/// Parses the stanzas of a `Packages` file whose package name `wanted` accepts. Skips stanzas that lack a field.
pub(super) fn offers(packages: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<Offer> {
    packages
        .split("\n\n")
        .filter(|stanza| field(stanza, "Package").is_some_and(wanted))
        .filter_map(|stanza| {
            let pin = PinnedPackage {
                package: field(stanza, "Package")?.to_owned(),
                version: field(stanza, "Version")?.to_owned(),
                path: field(stanza, "Filename")?.trim_start_matches("./").to_owned(),
                size: field(stanza, "Size")?.parse().ok()?,
                sha256: field(stanza, "SHA256")?.parse::<Sha256>().ok()?,
            };
            let depends = field(stanza, "Depends").unwrap_or_default();
            let name = |relation: &str| relation.split_whitespace().next().map(str::to_owned);
            Some(Offer { pin, depends: depends.split([',', '|']).filter_map(name).collect() })
        })
        .collect()
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// Finds the packages of the newest kernel of a series in a suite, and their version.
///
/// Up to 6.18, one package, `linux-image-ABI-FLAVOUR`, contains everything (in 6.18 it also depends on a `linux-base-…`,
/// which is not needed). In later series it only depends on `linux-base-…`, `linux-binary-…` and `linux-modules-…`. A
/// version is skipped if one of its parts has left the archive.
pub(super) fn newest_kernel(offers: &[Offer], series: Series, flavour: &str) -> Option<(String, Vec<PinnedPackage>)> {
    let mut images: Vec<&Offer> = offers
        .iter()
        .filter(|offer| {
            abi(&offer.pin.package, "linux-image-", flavour).is_some() && series.contains(&offer.pin.version)
        })
        .collect();
    images.sort_by(|a, b| compare_versions(&b.pin.version, &a.pin.version));
    images.into_iter().find_map(|image| Some((image.pin.version.clone(), parts(offers, image, flavour)?)))
}

fn parts(offers: &[Offer], image: &Offer, flavour: &str) -> Option<Vec<PinnedPackage>> {
    const SPLIT: [&str; 3] = ["linux-base-", "linux-binary-", "linux-modules-"];
    let is_part = |name: &&String| SPLIT.iter().any(|prefix| abi(name, prefix, flavour).is_some());
    let names: Vec<&String> = image.depends.iter().filter(is_part).collect();
    if !names.iter().any(|name| name.starts_with("linux-binary-")) {
        return Some(vec![image.pin.clone()]);
    }
    let find = |name: &&String| {
        offers.iter().find(|offer| offer.pin.package == **name && offer.pin.version == image.pin.version)
    };
    names.iter().map(|name| find(name).map(|offer| offer.pin.clone())).collect()
}

/// The part of a package's name that identifies the kernel's build, which has at least three numbers. Metapackages such as
/// `linux-image-6.12-cloud-amd64`, which depend on the newest build of a series, have none.
fn abi<'a>(package: &'a str, prefix: &str, flavour: &str) -> Option<&'a str> {
    let abi = package.strip_prefix(prefix)?.strip_suffix(flavour)?.strip_suffix('-')?;
    let mut numbers = abi.splitn(3, '.');
    let number = |part: Option<&str>| part.is_some_and(|part| part.starts_with(|digit: char| digit.is_ascii_digit()));
    (number(numbers.next()) && number(numbers.next()) && number(numbers.next())).then_some(abi)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(package: &str, version: &str, depends: &str) -> String {
        let digest = Sha256::of(format!("{package}{version}").as_bytes());
        format!(
            "Package: {package}\nVersion: {version}\nDepends: {depends}\nDescription: one\n more: words\n\
             Filename: pool/main/l/linux/{package}_{version}_amd64.deb\nSize: 7\nSHA256: {digest}\n"
        )
    }

    fn newest(stanzas: &[String], series: &str) -> Option<(String, Vec<String>)> {
        let offers = offers(&stanzas.join("\n"), &|name| name.starts_with("linux-"));
        let (version, pins) = newest_kernel(&offers, series.parse().unwrap(), "cloud-amd64")?;
        Some((version, pins.into_iter().map(|pin| pin.package).collect()))
    }

    #[test]
    fn the_newest_version_of_the_series_and_flavour_is_chosen() {
        let stanzas = [
            stanza("linux-image-6.12.9+deb13-cloud-amd64", "6.12.9-1", "kmod"),
            stanza("linux-image-6.12.10+deb13-cloud-amd64", "6.12.10-1", "kmod"),
            stanza("linux-image-6.12.11+deb13-amd64", "6.12.11-1", "kmod"),
            stanza("linux-image-6.12.11+deb13-cloud-amd64-unsigned", "6.12.11-1", "kmod"),
            stanza("linux-image-6.12-cloud-amd64", "6.12.99-1", "linux-image-6.12.10+deb13-cloud-amd64"),
            stanza("linux-image-6.1.0-99-cloud-amd64", "6.1.999-1", "kmod"),
        ];
        let expected = ("6.12.10-1".to_owned(), vec!["linux-image-6.12.10+deb13-cloud-amd64".to_owned()]);
        assert_eq!(newest(&stanzas, "6.12"), Some(expected));
        assert_eq!(newest(&stanzas, "6.13"), None);
    }

    #[test]
    fn an_image_with_everything_needs_no_base_package() {
        let image = "linux-image-6.18.15+deb13-cloud-amd64";
        let stanzas = [stanza(image, "6.18.15-1", "kmod, linux-base-6.18.15+deb13-cloud-amd64 (= 1)")];
        assert_eq!(newest(&stanzas, "6.18"), Some(("6.18.15-1".to_owned(), vec![image.to_owned()])));
    }

    #[test]
    fn a_split_kernel_is_chosen_only_if_all_its_parts_exist() {
        let version = |abi: &str| {
            let depends = format!(
                "dracut | initramfs-tools (>= 0.120), linux-base-{abi}-cloud-amd64 (= 1), \
                 linux-binary-{abi}-cloud-amd64 (= 1), linux-modules-{abi}-cloud-amd64 (= 1)"
            );
            [
                stanza(&format!("linux-image-{abi}-cloud-amd64"), &format!("{abi}-1"), &depends),
                stanza(&format!("linux-base-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
                stanza(&format!("linux-binary-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
                stanza(&format!("linux-modules-{abi}-cloud-amd64"), &format!("{abi}-1"), ""),
            ]
        };
        let mut stanzas = [version("7.2.4"), version("7.2.5")].concat();
        let parts =
            |abi: &str| ["base", "binary", "modules"].map(|part| format!("linux-{part}-{abi}-cloud-amd64")).into();
        assert_eq!(newest(&stanzas, "7.2"), Some(("7.2.5-1".to_owned(), parts("7.2.5"))));
        stanzas.pop();
        assert_eq!(newest(&stanzas, "7.2"), Some(("7.2.4-1".to_owned(), parts("7.2.4"))));
    }

    #[test]
    fn a_stanza_without_a_digest_is_skipped() {
        let text = "Package: linux-x\nVersion: 1\nFilename: pool/x.deb\nSize: 1\n";
        assert!(offers(text, &|_| true).is_empty());
    }
}
