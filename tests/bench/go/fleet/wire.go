package main

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// raw gives received messages as they are: reading a thousand copies of the same message must cost little, or the
// fleet is what is measured.
type raw struct{ encoding.Codec }

func (raw) Name() string                  { return "proto" }
func (raw) Marshal(v any) ([]byte, error) { return proto.Marshal(v.(proto.Message)) }

func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = data
	return nil
}

// response is a DiscoveryResponse or DeltaDiscoveryResponse; resources are still encoded: Any or Resource.
type response struct {
	typeURL, version, nonce string
	resources               [][]byte
	removed                 []string
}

// The numbers of the fields:
// https://github.com/envoyproxy/envoy/blob/main/api/envoy/service/discovery/v3/discovery.proto
func parseResponse(data []byte, delta bool) (r response, err error) {
	return r, fields(data, func(number protowire.Number, value []byte) {
		switch {
		case number == 4:
			r.typeURL = string(value)
		case number == 5:
			r.nonce = string(value)
		case number == 2:
			r.resources = append(r.resources, value)
		case number == 1 && !delta:
			r.version = string(value)
		case number == 6 && delta:
			r.removed = append(r.removed, string(value))
		}
	})
}

// parseResource takes a Resource of a DeltaDiscoveryResponse apart.
func parseResource(data []byte) (name, version string, body []byte, err error) {
	var any []byte
	err = fields(data, func(number protowire.Number, value []byte) {
		switch number {
		case 1:
			version = string(value)
		case 2:
			any = value
		case 3:
			name = string(value)
		}
	})
	if err == nil {
		body, err = parseAny(any)
	}
	return name, version, body, err
}

func parseAny(data []byte) (body []byte, err error) {
	return body, fields(data, func(number protowire.Number, value []byte) {
		if number == 2 {
			body = value
		}
	})
}

// fields calls f for each length-delimited field.
func fields(data []byte, f func(protowire.Number, []byte)) error {
	for len(data) > 0 {
		number, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return protowire.ParseError(size)
		}
		data = data[size:]
		if kind == protowire.BytesType {
			value, size := protowire.ConsumeBytes(data)
			if size < 0 {
				return protowire.ParseError(size)
			}
			f(number, value)
			data = data[size:]
			continue
		}
		if size = protowire.ConsumeFieldValue(number, kind, data); size < 0 {
			return fmt.Errorf("field %d: %w", number, protowire.ParseError(size))
		}
		data = data[size:]
	}
	return nil
}
