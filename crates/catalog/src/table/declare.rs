//! The form that turns rows into variants, definitions and typed methods.
//!
//! A row reads: `Variant stem(label: Type, …) -> Handle, Unit, Surface[, BUCKETS]; "Help."`. Rows
//! under `pipeline` also carry tenant and pipeline; rows under `bare` take no prefix.

macro_rules! declare {
    (
        $(#[$meta:meta])* $Enum:ident, $kind:ident, $room:ident;
        pipeline { $($pv:ident $ps:ident($($pl:ident: $plt:ty),*) -> $ph:ident, $pu:ident, $psf:ident $(, $pb:ident)?; $phelp:literal)* }
        process { $($qv:ident $qs:ident($($ql:ident: $qlt:ty),*) -> $qh:ident, $qu:ident, $qsf:ident $(, $qb:ident)?; $qhelp:literal)* }
        bare { $($bv:ident $bs:ident($($bl:ident: $blt:ty),*) -> $bh:ident, $bu:ident, $bsf:ident $(, $bb:ident)?; $bhelp:literal)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $Enum {
            $(#[doc = $phelp] $pv,)*
            $(#[doc = $qhelp] $qv,)*
            $(#[doc = $bhelp] $bv,)*
        }

        impl $Enum {
            /// Every one, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$pv,)* $(Self::$qv,)* $(Self::$bv,)*];

            /// What the catalog says about it.
            #[must_use]
            pub const fn def(self) -> &'static MetricDef {
                match self {
                    $(Self::$pv => const {
                        &MetricDef {
                            labels: &[
                                LabelDef::open(LabelKey::Tenant),
                                LabelDef::open(LabelKey::Pipeline),
                                $(LabelDef::of::<$plt>(),)*
                            ],
                            ..declare!(@def $kind, $ps -> $ph, $pu, $psf ($($pb)?) $phelp, true)
                        }
                    },)*
                    $(Self::$qv => const {
                        &MetricDef {
                            labels: &[$(LabelDef::of::<$qlt>(),)*],
                            ..declare!(@def $kind, $qs -> $qh, $qu, $qsf ($($qb)?) $qhelp, true)
                        }
                    },)*
                    $(Self::$bv => const {
                        &MetricDef {
                            labels: &[$(LabelDef::of::<$blt>(),)*],
                            ..declare!(@def $kind, $bs -> $bh, $bu, $bsf ($($bb)?) $bhelp, false)
                        }
                    },)*
                }
            }
        }

        impl PipelineScope {
            $(declare!(@pipeline $room, $Enum, $pv $ps($($pl: $plt),*) -> $ph; $phelp);)*
        }

        impl ProcessScope {
            $(declare!(@process $room, $Enum, $qv $qs($($ql: $qlt),*) -> $qh; $qhelp);)*
            $(declare!(@process $room, $Enum, $bv $bs($($bl: $blt),*) -> $bh; $bhelp);)*
        }
    };

    (@def $kind:ident, $stem:ident -> $handle:ident, $unit:ident, $surface:ident ($($buckets:ident)?) $help:literal, $prefixed:literal) => {
        MetricDef {
            stem: stringify!($stem),
            kind: Kind::$kind,
            unit: Unit::$unit,
            scale: <$handle as Handle>::SCALE,
            labels: &[],
            buckets: declare!(@buckets $($buckets)?),
            help: $help,
            prefixed: $prefixed,
            surface: Surface::$surface,
        }
    };

    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };

    (@pipeline $room:ident, $Enum:ident, $v:ident $stem:ident($($l:ident: $lt:ty),*) -> $handle:ident; $help:literal) => {
        #[doc = $help]
        #[must_use]
        pub fn $stem(&self, $($l: $lt),*) -> $handle {
            let values = [self.tenant_value(), self.pipeline_value(), $(LabelValue::text(&$l)),*];
            Handle::on(self.$room($Enum::$v, &values))
        }
    };

    (@process $room:ident, $Enum:ident, $v:ident $stem:ident($($l:ident: $lt:ty),*) -> $handle:ident; $help:literal) => {
        #[doc = $help]
        #[must_use]
        pub fn $stem(&self, $($l: $lt),*) -> $handle {
            let values: &[Cow<'_, str>] = &[$(LabelValue::text(&$l)),*];
            Handle::on(self.$room($Enum::$v, values))
        }
    };
}
pub(super) use declare;
