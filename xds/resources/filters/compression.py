"""The compression of answers, for all hosts."""

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    Brotli,
    Compressor,
    CompressorCommonDirectionConfig,
    CompressorResponseDirectionConfig,
    Gzip,
    GzipCompressionLevel,
    HttpFilter,
    TypedExtensionConfig,
)
from xds.traffic.listeners import Compression, Encoding

_GZIP_LEVELS = (
    GzipCompressionLevel.COMPRESSION_LEVEL_1,
    GzipCompressionLevel.COMPRESSION_LEVEL_2,
    GzipCompressionLevel.COMPRESSION_LEVEL_3,
    GzipCompressionLevel.COMPRESSION_LEVEL_4,
    GzipCompressionLevel.COMPRESSION_LEVEL_5,
    GzipCompressionLevel.COMPRESSION_LEVEL_6,
    GzipCompressionLevel.COMPRESSION_LEVEL_7,
    GzipCompressionLevel.COMPRESSION_LEVEL_8,
    GzipCompressionLevel.COMPRESSION_LEVEL_9,
)


def compressor(compression: Compression) -> HttpFilter:
    common = CompressorCommonDirectionConfig(
        min_content_length=compression.min_bytes, content_type=list(compression.types)
    )
    config = Compressor(
        compressor_library=_library(compression),
        response_direction_config=CompressorResponseDirectionConfig(common_config=common),
    )
    return HttpFilter(name=f"compress-{compression.encoding}", typed_config=codec.pack(config))


def _library(compression: Compression) -> TypedExtensionConfig:
    if compression.encoding is Encoding.BROTLI:
        brotli = codec.pack(Brotli(quality=compression.level))
        return TypedExtensionConfig(name="envoy.compression.brotli.compressor", typed_config=brotli)
    gzip = codec.pack(Gzip(compression_level=_GZIP_LEVELS[compression.level - 1]))
    return TypedExtensionConfig(name="envoy.compression.gzip.compressor", typed_config=gzip)
